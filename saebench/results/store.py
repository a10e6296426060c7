"""Results on disk: `SUBJECT/TASK@V/ID.json` with the per-item scores `ID.items.parquet` beside it.

Items are written first, then the JSON file; both replace whole files. A result counts when its JSON file is there,
so what a killed writer leaves never counts. One lock for the folder keeps two writers of one unit apart.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Never

from pydantic import ValidationError

from saebench.errors import ResultsError
from saebench.results.atomic import remove_parts, write_bytes
from saebench.results.identity import result_id
from saebench.results.items import ItemTable, from_parquet, to_parquet
from saebench.results.locking import locked
from saebench.results.migrations import migrate
from saebench.results.schema import ItemsRecord, ResultRecord

LONGEST_NAME = 80
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
DAMAGED = "delete it and run the suite again: only this result is computed anew"


class ResultStore:
    """The results below one folder."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def write(self, record: ResultRecord, tables: Mapping[str, ItemTable]) -> ResultRecord:
        """Write a result with its item tables; returns it as it will be read, `items` filled in.

        A result of the same id is replaced, also where it lies under another name of the subject.

        Raises:
            ResultsError: the id is not the hash of the identity, or a value has no JSON form.
            StorageError: the disk is full, the folder cannot be written, or its lock is held for minutes.
        """
        path = self.path(record)
        items_file = path.with_name(f"{record.id}.items.parquet")
        data = to_parquet(tables)
        items = ItemsRecord(
            file=items_file.name,
            sha256=hashlib.sha256(data).hexdigest(),
            rows=sum(len(table.items) for table in tables.values()),
            tables={name: len(table.items) for name, table in sorted(tables.items())},
        )
        text = _to_text(record.model_copy(update={"items": items}), path)
        stored = _parse(text, path)
        with locked(self.root):
            remove_parts(path.parent)
            path.unlink(missing_ok=True)
            elsewhere = self._locate(record.id)
            write_bytes(items_file, data)
            write_bytes(path, text.encode())
            if elsewhere is not None:
                elsewhere.unlink()
                elsewhere.with_name(items_file.name).unlink(missing_ok=True)
        return stored

    def path(self, record: ResultRecord) -> Path:
        """Where the JSON file of a result belongs."""
        return self.root / slug(record.subject.name) / slug(record.task) / f"{record.id}.json"

    def find(self, id: str) -> ResultRecord | None:
        """The finished result of this id, or None.

        Raises:
            ResultsError: it is there but damaged, or of a newer schema.
        """
        path = self._locate(id)
        return None if path is None else self.load(path)

    def read(self, id: str) -> ResultRecord:
        """The finished result of this id.

        Raises:
            ResultsError: there is none, or it is damaged.
        """
        record = self.find(id)
        if record is None:
            raise ResultsError(f"holds no result {id}", file=self.root, remedy="'saebench ls results' lists them")
        return record

    def all(self) -> Iterator[ResultRecord]:
        """Every finished result, by path.

        Raises:
            ResultsError: the folder is not there, or a result is damaged.
        """
        if not self.root.is_dir():
            raise ResultsError("no such results folder", file=self.root, remedy="'saebench run' makes one")
        for folder in self._task_folders():
            for path in sorted(folder.glob("*.json")):
                if not path.name.startswith("."):
                    yield self.load(path)

    def load(self, path: Path) -> ResultRecord:
        """Read and check one results file and the hash of its items.

        Raises:
            ResultsError: damaged, of a newer schema, in contradiction with itself, or without its items.
        """
        record = _parse(_read(path).decode(errors="replace"), path)
        if path.stem != record.id:
            _damaged("the file name is not the result's id", path, "id")
        if record.items is not None:
            self._item_bytes(record, path)
        return record

    def items(self, record: ResultRecord) -> dict[str, ItemTable]:
        """The item tables of a result, by name; none where it has no items.

        Raises:
            ResultsError: the file is missing or is not the one that the result names.
        """
        if record.items is None:
            return {}
        path = self.locate(record)
        return from_parquet(self._item_bytes(record, path), str(path.with_name(record.items.file)))

    def locate(self, record: ResultRecord) -> Path:
        """Where the JSON file of a result is, also after its folder was renamed."""
        path = self.path(record)
        return path if path.is_file() else self._locate(record.id) or path

    def _item_bytes(self, record: ResultRecord, path: Path) -> bytes:
        assert record.items is not None
        if Path(record.items.file).name != record.items.file:
            _damaged(f"'{record.items.file}' is not a file name", path, "items.file")
        file = path.with_name(record.items.file)
        data = _read(file)
        if hashlib.sha256(data).hexdigest() != record.items.sha256:
            _damaged(f"'{file.name}' is not the file that was written with this result", path, "items.sha256")
        return data

    def _locate(self, id: str) -> Path | None:
        paths = (folder / f"{id}.json" for folder in self._task_folders())
        return next((path for path in paths if path.is_file()), None)

    def _task_folders(self) -> Iterator[Path]:
        for subject in _folders(self.root):
            yield from _folders(subject)


def slug(name: str) -> str:
    """`name` as a folder name that every file system takes. Names may share a slug: ids tell results apart."""
    safe = re.sub(r"[^A-Za-z0-9._@=+-]+", "-", name)[:LONGEST_NAME].strip("-. ")
    return f"{safe}_" if not safe or RESERVED.fullmatch(safe) else safe


def _folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return sorted(child for child in parent.iterdir() if child.is_dir() and not child.name.startswith("."))


def _to_text(record: ResultRecord, path: Path) -> str:
    try:
        return json.dumps(record.model_dump(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    except (ValueError, TypeError) as error:
        raise ResultsError(
            f"a value of this result has no JSON form: {error}",
            file=path,
            field="details",
            remedy="a task must hand over numbers, texts, lists and objects, and None for what is undefined",
        ) from error


def _parse(text: str, path: Path) -> ResultRecord:
    try:
        raw = json.loads(text, parse_constant=_no_constant)
    except ValueError as error:
        _damaged(f"not JSON: {error}", path)
    if not isinstance(raw, dict):
        _damaged("not a JSON object", path)
    try:
        record = ResultRecord.model_validate(migrate(raw, path))
    except ValidationError as error:
        first = error.errors()[0]
        _damaged(first["msg"], path, ".".join(str(part) for part in first["loc"]))
    if record.id != result_id(record.identity):
        _damaged("the id is not the hash of the identity: the file was edited or mixed up", path, "id")
    return record


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number; an undefined value is null with a reason")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        _damaged(f"cannot be read ({error.strerror})", path)


def _damaged(message: str, path: Path, field: str | None = None) -> Never:
    raise ResultsError(message, file=path, field=field, remedy=DAMAGED)
