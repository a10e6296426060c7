"""A sound bundle is accepted however it is carried; whatever is changed in it afterwards is found."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_claims import consistent
from toy_bundle import ANSWERS, NAME, Files, as_tar, as_zip, in_folder, own_result, sound_files, tables, with_record

from saebench.results.items import ItemTable
from saebench.submissions.card import QUESTIONS, card_text, is_placeholder, open_questions, parse_card
from saebench.submissions.item_lines import from_lines, to_lines
from saebench.submissions.known import Known
from saebench.submissions.refusing import shown
from saebench.submissions.verifying import verify

FREE = {
    "cost": "time and memory, of which nothing follows",
    "details": "explains the scores, never used for ranking",
    "provenance": "how the numbers were made: nobody else was there",
    "subject": "what the author says about the dictionary; its fingerprint is identity",
    "model": "the name; hashes are identity",
    "data": "name, licence and size; the fingerprint is identity",
    "schema_version": "a reader's matter",
}
"""Parts of a result that only its author can know, so that a verifier must believe them."""
BOUND = {"subject.fingerprint", "subject.role", "subject.kind", "subject.name", "model.tokenizer_hash",
         "model.compute_dtype", "model.store_dtype", "data.0.fingerprint", "data.0.part", "data.0.mask_rule",
         "data.0.packing.context"}  # fmt: skip
"""Fields inside those parts that must agree with the rest all the same."""


def test_a_sound_bundle_is_accepted(folder: Path, known: Known) -> None:
    verdict = verify(folder, known)
    assert [str(one) for one in verdict.refusals] == []
    assert verdict.notes == ()
    assert verdict.bundle is not None
    assert verdict.bundle.name == NAME
    assert [scored.record.subject.name for scored in verdict.bundle.own] == [NAME]


@pytest.mark.parametrize("ending", ["zip", "tar.gz", "tgz"])
def test_it_may_be_carried_as_an_archive(ending: str, files: Files, known: Known, tmp_path: Path) -> None:
    path = tmp_path / f"sent.{ending}"
    path.write_bytes(as_zip(files) if ending == "zip" else as_tar(files))
    assert verify(path, known).accepted


@pytest.mark.parametrize(
    ("program", "words", "name"),
    [("tar", ["czf", "a.tar.gz", NAME], "a.tar.gz"), ("zip", ["-qr", "a.zip", NAME], "a.zip")],
)
def test_archives_of_the_usual_programs_are_read(
    program: str, words: list[str], name: str, folder: Path, known: Known
) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    subprocess.run([program, *words], cwd=folder.parent, check=True)
    assert verify(folder.parent / name, known).accepted


def leaves(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every value that is neither a list nor an object."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*place, index))
    else:
        yield place


def tampered(value: Any) -> Any:
    """Another value of the same kind, far enough from the first to matter."""
    if isinstance(value, bool) or value is None:
        return "other" if value is None else not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 1.001 + 0.001
    return value[:-1] + ("0" if value[-1:] != "0" else "1")


@pytest.fixture(scope="module")
def fields(built: Files) -> list[tuple[str | int, ...]]:
    record = json.loads(built[f"results/{own_result(built)}.json"])
    metrics = ("l0", "loss_recovered")  # the others are treated alike
    return [place for place in leaves(record) if place[0] != "metrics" or place[1] in metrics]


@pytest.mark.slow
def test_every_field_of_a_result_follows_or_is_known_to_be_the_authors_word(
    fields: list[tuple[str | int, ...]], built: Files, known: Known, tmp_path: Path
) -> None:
    believed = []
    for number, place in enumerate(fields):

        def change(record: dict[str, Any], place: tuple[str | int, ...] = place) -> None:
            *path, last = place
            for step in path:
                record = record[step]  # type: ignore[index, assignment]
            record[last] = tampered(record[last])  # type: ignore[index]

        folder = in_folder(with_record(dict(built), change), tmp_path / str(number))
        if verify(folder, known).accepted:
            believed.append(place)
    assert {str(place[0]) for place in believed} <= set(FREE)
    assert not {".".join(map(str, place)) for place in believed} & BOUND


def test_no_file_can_be_changed_without_the_manifest(built: Files, known: Known, tmp_path: Path) -> None:
    for number, path in enumerate(sorted(built)):
        changed = {**built, path: built[path][:-2] + b" " + built[path][-2:]}
        verdict = verify(in_folder(changed, tmp_path / str(number)), known)
        assert not verdict.accepted or path == "MANIFEST.json"


def test_a_consistent_forgery_is_not_found_hence_self_reported(files: Files, known: Known, tmp_path: Path) -> None:
    """Arithmetic shows that numbers hang together, never that they were measured: only a second run does."""
    forge = consistent(lambda rows: [{**row, "scores": [0.9 * score for score in row["scores"]]} for row in rows])
    verdict = verify(in_folder(forge(files), tmp_path), known)
    assert verdict.accepted
    assert verdict.bundle is not None
    assert verdict.bundle.card.status == "self-reported"


def test_rounding_of_another_machine_is_forgiven(files: Files, known: Known, tmp_path: Path) -> None:
    def nudge(record: dict[str, Any]) -> None:
        for metric in record["metrics"].values():
            for end in ("value", "low", "high"):
                if metric[end] is not None:
                    metric[end] *= 1 + 1e-9

    assert verify(in_folder(with_record(files, nudge), tmp_path), known).accepted


def test_a_metric_that_is_declared_undefined_is_noted(files: Files, known: Known, tmp_path: Path) -> None:
    def withhold(record: dict[str, Any]) -> None:
        record["metrics"]["kl"] = {"value": None, "low": None, "high": None, "n": 0, "undefined": "no linear decoder"}

    verdict = verify(in_folder(with_record(files, withhold), tmp_path), known)
    assert verdict.accepted
    assert "kl is declared undefined, its items give" in verdict.notes[0]


def test_item_lines_give_back_every_score_exactly() -> None:
    held = tables(0.3, 5)
    again = from_lines(to_lines(held), "items")
    assert again.keys() == held.keys()
    for name, table in held.items():
        assert again[name].items == table.items
        assert again[name].clusters == table.clusters
        assert again[name].columns.keys() == table.columns.keys()
        for column, scores in table.columns.items():
            np.testing.assert_array_equal(again[name].columns[column], scores)


def test_item_lines_hold_pairs_empty_tables_and_scores_that_are_not_finite() -> None:
    held = {
        "pairs": ItemTable(("a-b",), ("a",), {"x": np.array([np.nan])}, ("b",)),
        "none": ItemTable((), (), {"x": np.array([])}),
    }
    again = from_lines(to_lines(held), "items")
    assert again["pairs"].partners == ("b",)
    assert np.isnan(again["pairs"].columns["x"]).all()
    assert again["none"].items == ()
    assert again["none"].columns["x"].shape == (0,)


def test_a_card_asks_what_is_not_answered_and_keeps_what_is() -> None:
    text = card_text(NAME, "0" * 32, {"paper": "none", "licence": 'it\'s: "MIT" # yes'})
    assert b"TODO" in text
    assert open_questions({"paper": "none", "authors": "TODO: you"}) == [key for key in QUESTIONS if key != "paper"]
    card = parse_card(card_text(NAME, "0" * 32, {**ANSWERS, "licence": 'it\'s: "MIT" # yes'}), NAME)
    assert card.licence == 'it\'s: "MIT" # yes'
    assert card.model_dump(include=set(ANSWERS) - {"licence"}) == {
        key: value for key, value in ANSWERS.items() if key != "licence"
    }


@pytest.mark.parametrize(
    "text", ["TODO", "todo: later", "tbd", "<name>", "  ", "...", "a@example.org", "fill in", "xxx"]
)
def test_placeholders(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize("text", ["none", "not published", "Ö. Person", "https://a.test/x", "unknown web text"])
def test_answers_that_say_little_are_answers(text: str) -> None:
    assert not is_placeholder(text)


def test_strangers_text_in_a_message_is_one_printable_line() -> None:
    assert shown("a\x1b[31m\n::set-env name=x::\u202e\ud800") == "a\\x1b[31m\\n::set-env name=x::\\u202e\\ud800"
    assert len(shown("x" * 10_000)) < 100


def test_a_verdict_is_one_json_object(folder: Path, known: Known) -> None:
    told = json.loads(json.dumps(verify(folder, known).to_json()))
    assert told["accepted"] is True
    assert told["name"] == NAME
    (folder / "suite.yaml").unlink()
    told = verify(folder, known).to_json()
    assert told["accepted"] is False
    assert set(told["refusals"][0]) == {"file", "field", "message", "remedy"}


def test_sound_files_are_always_the_same_bytes(built: Files) -> None:
    assert sound_files() == built
