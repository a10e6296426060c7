"""A user's own texts: a .txt, .jsonl or .parquet file, or a folder of such files.

A .txt file holds one document, or several that are set apart by two or more empty lines (one empty line ends a
paragraph, not a document). A .jsonl file holds a JSON object a line and a .parquet file a table; the document is the
field ``text``, or the one that is named after a number sign: ``corpus.jsonl#body``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from saebench.data.texts import Corpus, Document
from saebench.errors import DataError

SUFFIXES = (".txt", ".jsonl", ".parquet")
DEFAULT_FIELD = "text"
PARQUET_ROWS = 1024


class LocalCorpus(Corpus):
    """The documents of a file, or of all files below a folder in the order of their paths.

    Args:
        path: file or folder.
        field: the field of .jsonl and .parquet files that holds the text.

    Raises:
        DataError: no such file, an unknown ending, or a folder without a file of a known ending.
    """

    def __init__(self, path: Path, field: str = DEFAULT_FIELD) -> None:
        self._root = path
        self._field = field
        self._files = _files(path)
        super().__init__(path.resolve().name, "not stated (local file)", "local")

    def entries(self) -> Iterator[Document]:
        for path in self._files:
            name = path.relative_to(self._root).as_posix() if path != self._root else path.name
            for place, text in _read(path, self._field):
                yield Document(f"{name}:{place}", text)


def _files(path: Path) -> list[Path]:
    remedy = f"give a {', '.join(SUFFIXES)} file or a folder of such files"
    if path.is_dir():
        below = (file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        found = sorted(file for file in below if not any(part[0] == "." for part in file.relative_to(path).parts))
        if not found:
            raise DataError("the folder holds no text", file=path, remedy=remedy)
        return found
    if not path.is_file():
        raise DataError("no such file or folder", file=path, remedy=remedy)
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"'{path.suffix}' files are not read", file=path, remedy=remedy)
    return [path]


def _read(path: Path, field: str) -> Iterator[tuple[str, str]]:
    """Place inside the file and text of each document."""
    readers = {".txt": _read_txt, ".jsonl": _read_jsonl, ".parquet": _read_parquet}
    try:
        yield from readers[path.suffix.lower()](path, field)
    except UnicodeDecodeError as error:
        raise DataError(f"is not UTF-8 text (byte {error.start})", file=path, remedy="save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", file=path) from error


def _read_txt(path: Path, field: str) -> Iterator[tuple[str, str]]:
    text = path.read_text(encoding="utf-8-sig")
    for number, document in enumerate(re.split(r"\n(?:[ \t]*\n){2,}", text), start=1):
        yield str(number), document.strip()


def _read_jsonl(path: Path, field: str) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"is not JSON: {error.msg}", file=path, field=f"line {number}") from error
            if not isinstance(row, dict):
                raise DataError("is not a JSON object", file=path, field=f"line {number}")
            if field not in row:
                raise missing_field(path, f"line {number}", field, [str(key) for key in row])
            yield f"line {number}", text_of(row[field], path, f"line {number}, {field}")


def _read_parquet(path: Path, field: str) -> Iterator[tuple[str, str]]:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as table:
            if field not in table.schema_arrow.names:
                raise missing_field(path, None, field, table.schema_arrow.names)
            number = 0
            for batch in table.iter_batches(batch_size=PARQUET_ROWS, columns=[field]):
                for value in batch.column(0).to_pylist():
                    yield f"row {number}", text_of(value, path, f"row {number}, {field}")
                    number += 1
    except pyarrow.ArrowException as error:
        raise DataError(f"is not a sound parquet file: {error}", file=path) from error


def text_of(value: object, file: Path | str, place: str) -> str:
    """The text of a field; a null is an empty document.

    Raises:
        DataError: the field holds something else.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DataError(f"holds {type(value).__name__}, not text", file=file, field=place, remedy="name a text field")
    return value


def missing_field(file: Path | str, place: str | None, field: str, fields: list[str]) -> DataError:
    """The error for a text field that is not there; it names those that are."""
    return DataError(
        f"has no field '{field}', only {', '.join(fields) or 'none'}",
        file=file,
        field=place,
        remedy="name the text field after a number sign, as in corpus.jsonl#body",
    )
