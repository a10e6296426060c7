import json
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from saebench.data import DATA, source
from saebench.errors import DataError, UnknownName


def texts(name: str | Path) -> list[str]:
    return [document.text for document in source(str(name)).documents()]


def parquet(path: Path, **columns: list[Any]) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def test_a_text_file_is_one_document_unless_two_empty_lines_part_it(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("Title\n\nFirst paragraph.\n\nSecond.\n")
    assert texts(tmp_path / "one.txt") == ["Title\n\nFirst paragraph.\n\nSecond."]
    (tmp_path / "two.txt").write_bytes("\ufefffirst\r\n\r\nstill first\r\n \r\n\r\nsecond\n\n\n\n\nthird".encode())
    assert texts(tmp_path / "two.txt") == ["first\n\nstill first", "second", "third"]


def test_json_lines_and_parquet_give_their_text_field_or_a_named_one(tmp_path: Path) -> None:
    rows = [{"text": "a", "body": "b"}, {"text": "c", "body": None}]
    lines = tmp_path / "rows.jsonl"
    lines.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    table = parquet(tmp_path / "rows.parquet", text=["a", "c"], body=["b", None])
    for path in (lines, table):
        assert texts(path) == ["a", "c"]
        assert texts(f"{path}#body") == ["b"]
        assert source(f"{path}#body").census().empty == 1


def test_a_folder_gives_all_its_files_in_the_order_of_their_paths(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x.txt").write_text("hidden")
    (tmp_path / "b" / "2.txt").write_text("two")
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n')
    (tmp_path / "notes.md").write_text("not read")
    found = list(source(str(tmp_path)).documents())
    assert [(document.id, document.text) for document in found] == [("a.jsonl:line 1", "one"), ("b/2.txt:1", "two")]


BAD = [
    ("missing.txt", None, "no such file or folder"),
    ("notes.md", b"text", r"'\.md' files are not read \(give a \.txt"),
    ("empty.txt", b"", r"no document with text"),
    ("latin.txt", b"caf\xe9", r"is not UTF-8 text \(byte 3\) \(save it"),
    ("rows.jsonl", b'{"text": "a"}\n{"text"\n', r"line 2: is not JSON"),
    ("rows.jsonl", b"[1]\n", r"line 1: is not a JSON object"),
    ("rows.jsonl", b'{"title": "a", "body": "b"}\n', r"line 1: has no field 'text', only title, body \(name the"),
    ("rows.jsonl", b'{"text": 3}\n', r"line 1, text: holds int, not text"),
    ("rows.parquet", b"PAR1 no", r"is not a sound parquet file"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD)
def test_a_bad_file_is_named_with_the_place_and_the_remedy(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        texts(path)
    assert name in str(caught.value)


def test_a_table_without_the_field_names_those_it_has(tmp_path: Path) -> None:
    path = parquet(tmp_path / "rows.parquet", title=["a"], body=["b"])
    with pytest.raises(DataError, match="has no field 'text', only title, body"):
        texts(path)


def test_a_folder_without_texts_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the folder holds no text"):
        source(str(tmp_path))


def test_packaged_corpora_are_listed_with_their_licences_and_open_without_fetching() -> None:
    assert DATA.names() == ["imdb", "news", "wikitext2"]
    for name in DATA:
        record = DATA.get(name)
        assert record.licence == source(name).licence
        assert record.revision == source(name).revision
        assert record.licence
    assert "CC BY-SA" in DATA.get("wikitext2").licence


def test_an_unknown_name_has_near_misses_and_says_what_else_can_be_given() -> None:
    with pytest.raises(UnknownName, match=r"did you mean wikitext2\?.*hf:OWNER/NAME"):
        source("wikitext")


def test_a_hub_data_set_is_read_by_name_configuration_and_field(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    asked = []

    def load(*args: object, **kwargs: object) -> datasets.Dataset:
        asked.append((args, kwargs))
        info = datasets.DatasetInfo(license="cc0-1.0", version="1.2.3")
        return datasets.Dataset.from_dict({"body": ["first", "", "second"], "label": [0, 1, 2]}, info=info)

    monkeypatch.setattr(datasets, "load_dataset", load)
    corpus = source("hf:owner/name:small#body")
    assert [document.text for document in corpus.documents()] == ["first", "second"]
    assert asked == [(("owner/name", "small"), {"split": "train"})]
    assert (corpus.name, corpus.licence, corpus.revision) == ("hf:owner/name:small", "cc0-1.0", "1.2.3")
    with pytest.raises(DataError, match="hf:owner/name: has no field 'text', only body, label"):
        source("hf:owner/name")
    with pytest.raises(DataError, match="row 0, label: holds int, not text"):
        list(source("hf:owner/name#label").documents())


def test_a_hub_data_set_that_cannot_be_loaded_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def fail(*args: object, **kwargs: object) -> None:
        raise datasets.exceptions.DatasetNotFoundError("Dataset 'a/b' doesn't exist on the Hub\nmore lines")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(DataError, match=r"hf:a/b: cannot be loaded: Dataset 'a/b' doesn't exist on the Hub \(check"):
        source("hf:a/b")


def test_without_the_extra_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'saebench\[hub\]'"):
        source("hf:a/b")
