"""Any bytes lead to a refusal or to acceptance, never to another exception."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy_bundle import NAME, Files, as_tar, as_zip, in_folder, own_result, signed, with_record

from saebench.errors import SubmissionError
from saebench.submissions.bundle import parse_bundle
from saebench.submissions.card import parse_card
from saebench.submissions.changes import added_submission
from saebench.submissions.item_lines import from_lines
from saebench.submissions.known import Known
from saebench.submissions.layout import inner_path
from saebench.submissions.strict_json import parse_json
from saebench.submissions.strict_yaml import parse_yaml
from saebench.submissions.tar_files import read_tar
from saebench.submissions.verifying import verify
from saebench.submissions.zip_files import read_zip

FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
JSON_WORDS = [b"{", b"}", b"[", b"]", b'"', b"\\", b"\\u", b"d800", b":", b",", b"NaN", b"1e999", b"-", b"0", b"null",
              b"true", b"tables", b"scores", b"\n", b"\xff", b" "]  # fmt: skip
YAML_WORDS = [b"a", b": ", b"- ", b"\n", b"  ", b"&x ", b"*x", b"!!python/name:os ", b"? ", b"| ", b"> ", b"'", b'"',
              b"{", b"}", b"[", b"]", b",", b"#", b"---\n", b"%YAML 1.2\n", b"<<", b"0x", b"1:2:3", b"2001-13-01",
              b".inf", b"\t", b"\xc3\xa9", b"=", b"~"]  # fmt: skip


def glued(words: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(words) | st.binary(max_size=3), max_size=60).map(b"".join)


@FUZZ
@given(st.binary(max_size=200) | glued(JSON_WORDS))
def test_json(data: bytes) -> None:
    with suppress(SubmissionError):
        parse_json(data, "x", 1000)
    with suppress(SubmissionError):
        from_lines(data, "x")


@FUZZ
@given(st.binary(max_size=200) | glued(YAML_WORDS))
def test_yaml(data: bytes) -> None:
    with suppress(SubmissionError):
        parse_yaml(data, "x")
    with suppress(SubmissionError):
        parse_card(data, NAME)


@FUZZ
@given(st.binary(max_size=400))
def test_archives_and_diffs(data: bytes) -> None:
    for read in (read_zip, read_tar, added_submission):
        with suppress(SubmissionError):
            read(data)


@FUZZ
@given(st.text(max_size=60))
def test_names(name: str) -> None:
    with suppress(SubmissionError):
        _, path = inner_path(name)
        assert path is None or not Path(path).is_absolute()


@FUZZ
@given(data=st.data())
def test_damaged_archives(data: st.DataObject, built: Files) -> None:
    pack, read = data.draw(st.sampled_from([(as_zip, read_zip), (as_tar, read_tar)]))
    whole = bytearray(pack(built))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(SubmissionError):
        read(bytes(whole[: data.draw(st.integers(0, len(whole)))]) if data.draw(st.booleans()) else bytes(whole))


@FUZZ
@given(data=st.data())
def test_damaged_files(data: st.DataObject, built: Files) -> None:
    path = data.draw(st.sampled_from(sorted(built)))
    content = bytearray(built[path])
    start = data.draw(st.integers(0, len(content) - 1))
    content[start : start + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    with suppress(SubmissionError):
        parse_bundle(NAME, signed({**built, path: bytes(content)}))


ODD: list[Any] = [None, True, -1, 0, 1e17, 1e-90, 10**17, "", "x", "\u00e9<b>", [], {}, [[]], {"a": {}}, "../x"]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_odd_values_in_a_result(
    data: st.DataObject, built: Files, known: Known, tmp_path_factory: pytest.TempPathFactory
) -> None:
    record = json.loads(built[f"results/{own_result(built)}.json"])
    places = [(key,) for key in record] + [(key, inner) for key, held in record.items() if isinstance(held, dict)
                                           for inner in held]  # fmt: skip
    *path, last = data.draw(st.sampled_from(places))
    odd = data.draw(st.sampled_from(ODD))

    def change(record: dict[str, Any]) -> None:
        for step in path:
            record = record[step]
        record[last] = odd

    folder = in_folder(with_record(built, change, rename=False), tmp_path_factory.mktemp("fuzz"))
    verify(folder, known)
