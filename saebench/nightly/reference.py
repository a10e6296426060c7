"""The stored results that nights are compared with: who made them, when, why, and how each metric was declared.

::

    FOLDER/reference.json     the facts below
    FOLDER/golden.json        exact values of the tiny world
    FOLDER/results/...        results with their per-item scores, of tonight's seeds and of those that confirm
    FOLDER/results/audits/    audits of a model of one's own, where there are some; else the packaged ones count
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from saebench.errors import ResultsError
from saebench.nightly.code import Code
from saebench.nightly.comparing import watched
from saebench.nightly.golden import Golden, read_golden, write_golden
from saebench.packaged_files import packaged
from saebench.results.atomic import storage_errors, write_bytes
from saebench.results.audits import FOLDER as AUDITS
from saebench.results.schema import ResultRecord
from saebench.results.store import ResultStore
from saebench.tasks.contract import Card, Metric

FILE = "reference.json"
RESULTS = "results"


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Declared(_Wire):
    """What a metric was made of."""

    table: str
    numerator: dict[str, float]
    denominator: dict[str, float]
    complement: bool
    direction: Literal["up", "down", "none"]

    @classmethod
    def of(cls, metric: Metric) -> Self:
        """The declaration of a metric, without its prose."""
        return cls(**{name: getattr(metric, name) for name in cls.model_fields})

    def metric(self, name: str) -> Metric:
        """A metric that is computed in this way."""
        return Metric(name, "", **self.model_dump())


class Facts(_Wire):
    """What a reference is."""

    schema_version: Literal[1] = 1
    panel: str
    suite: str
    """`name-vVERSION`."""
    reason: str = Field(min_length=1)
    """Why it was made, or made anew."""
    by: str
    made: str
    """UTC, ISO 8601."""
    code: Code
    eval_seeds: tuple[int, ...]
    confirming_seeds: tuple[int, ...]
    """Scored beforehand, so that a night can confirm a change on seeds of its own."""
    definitions: dict[str, dict[str, Declared]]
    """Task to metric to its declaration, as it was."""


@dataclass(frozen=True)
class Reference:
    """A reference on disk."""

    folder: Path
    facts: Facts
    golden: Golden
    records: tuple[ResultRecord, ...]

    @property
    def store(self) -> ResultStore:
        """Where its per-item scores are."""
        return ResultStore(self.folder / RESULTS)

    @property
    def definitions(self) -> dict[str, dict[str, Metric]]:
        """Task to metric to its declaration, as it was."""
        return {
            task: {name: declared.metric(name) for name, declared in metrics.items()}
            for task, metrics in self.facts.definitions.items()
        }


def packaged_reference(panel: str) -> Path:
    """Where the reference of a packaged panel lies."""
    return packaged("suites") / "panels" / "reference" / panel


def read_reference(folder: Path) -> Reference:
    """The reference in a folder.

    Raises:
        ResultsError: there is none, or it is damaged.
    """
    file = folder / FILE
    if not file.is_file():
        raise ResultsError(
            "there is no reference to compare with",
            file=folder,
            remedy="make one with --update-reference --reason 'first reference', or name a folder with --reference",
        )
    try:
        facts = Facts.model_validate_json(file.read_bytes())
    except ValidationError as error:
        fault = error.errors()[0]
        raise ResultsError(
            f"no reference: {fault['msg']}",
            file=file,
            field=".".join(str(part) for part in fault["loc"]),
            remedy="restore the file, or make the reference anew with --update-reference --reason",
        ) from error
    return Reference(folder, facts, read_golden(folder), tuple(ResultStore(folder / RESULTS).all()))


def declarations(cards: Iterable[Card]) -> dict[str, dict[str, Declared]]:
    """The tested metrics of some cards, as a reference keeps them."""
    return {card.name: {name: Declared.of(metric) for name, metric in watched(card).items()} for card in cards}


def store_reference(folder: Path, facts: Facts, golden: Golden, results: Path) -> None:
    """Put a reference into a folder in one step; an older one there is gone when the new one is whole, but its audits.

    Raises:
        StorageError: the folder cannot be written.
    """
    mark = uuid4().hex[:8]
    new, old = (folder.with_name(f".{folder.name}-{word}-{mark}") for word in ("new", "old"))
    with storage_errors(folder):
        new.mkdir(parents=True)
        for path in sorted(results.glob("*/*@*/*")):
            target = new / RESULTS / path.relative_to(results)
            if not path.name.startswith("."):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        if (audits := folder / RESULTS / AUDITS).is_dir():
            shutil.copytree(audits, new / RESULTS / AUDITS)
        write_golden(golden, new)
        write_bytes(new / FILE, facts.model_dump_json(indent=1).encode() + b"\n")
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
