"""All nights so far: one JSON line a night, with every tested value and what scoring cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from saebench.errors import ResultsError
from saebench.nightly.code import Code
from saebench.results.atomic import write_bytes

FILE = "history.jsonl"


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Point(_Wire):
    """One value of one night."""

    series: str
    """What it continues: nights with one series are comparable."""
    subject: str
    fingerprint: str = ""
    """Of the subject as it was that night: another one under its name continues the series."""
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


class NightLine(_Wire):
    """One night."""

    schema_version: Literal[1] = 1
    night: str
    """Its start, UTC: nights are sorted by it, and are not assumed to be 24 hours apart."""
    code: Code
    points: tuple[Point, ...]


def read_history(folder: Path) -> list[NightLine]:
    """Nights in the order of their start; none where there is no history yet.

    Raises:
        ResultsError: a line is damaged; names it.
    """
    file = folder / FILE
    if not file.is_file():
        return []
    nights = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            nights.append(NightLine.model_validate_json(line))
        except ValidationError as error:
            raise ResultsError(
                f"line {number} is no night: {error.errors()[0]['msg']}", file=file, remedy="delete that line"
            ) from error
    return sorted(nights, key=lambda night: night.night)


def write_history(folder: Path, nights: Sequence[NightLine]) -> Path:
    """Replace the history in one step."""
    file = folder / FILE
    write_bytes(file, "".join(f"{night.model_dump_json()}\n" for night in nights).encode())
    return file
