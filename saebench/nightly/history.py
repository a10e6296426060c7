"""All nights so far: one JSON line a night, with every tested value and what scoring cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator

from saebench.errors import ResultsError
from saebench.nightly.code import Code
from saebench.results.atomic import write_bytes

FILE = "history.jsonl"
SCHEMA_VERSION: Final = 2
"""Points of version 1 do not say what was scored and where, but for those of its last days."""


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Point(_Wire):
    """One value of one night."""

    series: str
    """What it continues: nights with one series are comparable."""
    subject: str
    fingerprint: str | None = None
    """Of the subject as it was that night: another one under its name continues the series. None: not recorded."""
    lm: str | None = None
    """Hash of the language model's weights."""
    site: str | None = None
    task: str
    setting: str = ""
    metric: str
    value: FiniteFloat
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    margin: FiniteFloat | None = None
    verdict: str = ""
    kind: Literal["score", "cost"] = "score"

    @field_validator("fingerprint")
    @classmethod
    def _recorded(cls, fingerprint: str | None) -> str | None:
        """Version 1 wrote an empty text where there was none."""
        return fingerprint or None


class NightLine(_Wire):
    """One night."""

    schema_version: Literal[1, 2] = SCHEMA_VERSION
    night: str
    """Its start, UTC: nights are sorted by it, and are not assumed to be 24 hours apart."""
    code: Code
    points: tuple[Point, ...]


Dated = tuple[NightLine, Point]
"""A point and its night."""


class _Version(BaseModel):
    """What a line of any version says of itself."""

    schema_version: Annotated[int, Field(strict=True)] = 1


def read_history(folder: Path) -> list[NightLine]:
    """Nights in the order of their start, in the present version; none where there is no history yet.

    Raises:
        ResultsError: a line is damaged or of a newer version, and is named; or the file cannot be read.
    """
    file = folder / FILE
    if not file.is_file():
        return []
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise ResultsError(f"cannot be read ({error.strerror})", file=file, remedy="make it readable") from error
    nights = [_night(line, number, file) for number, line in enumerate(lines, 1)]
    return sorted(nights, key=lambda night: night.night)


def write_history(folder: Path, nights: Sequence[NightLine]) -> Path:
    """Replace the history in one step."""
    file = folder / FILE
    write_bytes(file, "".join(f"{night.model_dump_json()}\n" for night in nights).encode())
    return file


def by_series(nights: Sequence[NightLine]) -> dict[str, list[Dated]]:
    """Every point of some nights by its series, in the order of the nights."""
    found: dict[str, list[Dated]] = {}
    for night in nights:
        for point in night.points:
            found.setdefault(point.series, []).append((night, point))
    return found


def _night(line: bytes, number: int, file: Path) -> NightLine:
    try:
        version = _Version.model_validate_json(line).schema_version
        if version > SCHEMA_VERSION:
            raise ResultsError(
                f"line {number} was written by a newer saebench, with schema version {version}; "
                f"this one reads up to {SCHEMA_VERSION}",
                file=file,
                remedy="upgrade saebench",
            )
        return NightLine.model_validate_json(line).model_copy(update={"schema_version": SCHEMA_VERSION})
    except ValidationError as error:
        raise ResultsError(
            f"line {number} is no night: {error.errors()[0]['msg']}", file=file, remedy="delete that line"
        ) from error
