"""Exact values of a tiny world: there is no noise in them, so any change has a cause, and is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from saebench.bench import Failure
from saebench.errors import ResultsError
from saebench.nightly.golden_world import golden_runs
from saebench.results.atomic import write_bytes
from saebench.results.schema import ResultRecord
from saebench.run.evaluate import Settings, run_suite
from saebench.tasks import TASKS

FILE = "golden.json"
TOLERANCE = 2e-5
"""Of max(1, |value|). Instruction sets of processors differ by up to 5e-6 here."""
UNSTEADY = {"fingerprint", "fingerprint_control", "fingerprint_gain"}
"""Metrics that follow a chain of comparisons of nearly equal numbers: another processor, another value."""

Number = FiniteFloat | str
"""A value, or the reason why it is undefined."""


class Golden(BaseModel):
    """What the tiny world must give."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    definitions: dict[str, str]
    """Task to the fingerprint of its metric definitions."""
    values: dict[str, dict[str, dict[str, Number]]]
    """Task, subject, metric."""

    def cells(self) -> Iterator[tuple[tuple[str, str, str], Number]]:
        """((task, subject, metric), value)."""
        for task, subjects in self.values.items():
            for subject, metrics in subjects.items():
                for metric, number in metrics.items():
                    yield (task, subject, metric), number


@dataclass(frozen=True)
class GoldenChange:
    """A value that is no longer what it was; None where it is not there."""

    task: str
    subject: str
    metric: str
    then: Number | None
    now: Number | None
    fell: bool
    """It is worse by the metric's direction, or has lost its value."""


def golden_values() -> tuple[Golden, tuple[Failure, ...]]:
    """Score the tiny world on this machine's processor; takes seconds. Subjects that fail have no values."""
    records: list[ResultRecord] = []
    failures: list[Failure] = []
    with TemporaryDirectory(prefix="saebench-golden-") as folder:
        for run in golden_runs(Path(folder)):
            outcome = run_suite(run.subjects, run.scene.suite, Settings(Path(folder) / "results"), scene=run.scene)
            failures += outcome.failures
            records += outcome.records
    values: dict[str, dict[str, dict[str, Number]]] = {}
    for record in sorted(records, key=lambda record: (record.task, record.subject.name)):
        values.setdefault(record.task, {})[record.subject.name] = {
            name: metric.undefined or "" if metric.value is None else metric.value
            for name, metric in record.metrics.items()
            if name not in UNSTEADY
        }
    definitions = {task: TASKS.get(task).card.fingerprint() for task in values}
    return Golden(definitions=definitions, values=values), tuple(failures)


def golden_changes(then: Golden, now: Golden) -> tuple[GoldenChange, ...]:
    """Every value that changed, came or went, in the order of the older ones."""
    old, new = dict(then.cells()), dict(now.cells())
    return tuple(
        GoldenChange(*cell, old.get(cell), new.get(cell), worse(cell, old.get(cell), new.get(cell)))
        for cell in {**old, **new}
        if not alike(old.get(cell), new.get(cell))
    )


def redefined(then: Golden, now: Golden) -> tuple[str, ...]:
    """Tasks whose metric definitions are others under the same version."""
    return tuple(task for task, old in then.definitions.items() if now.definitions.get(task, old) != old)


def alike(then: Number | None, now: Number | None) -> bool:
    """Equal within rounding; reasons word for word."""
    if isinstance(then, str) or isinstance(now, str) or then is None or now is None:
        return then == now
    return abs(then - now) <= TOLERANCE * max(1.0, abs(then))


def worse(cell: tuple[str, str, str], then: Number | None, now: Number | None) -> bool:
    """Whether a change is a fall."""
    if not isinstance(then, float):
        return False
    if not isinstance(now, float):
        return True
    task, _, metric = cell
    directions = {one.name: one.direction for one in TASKS.get(task).card.metrics} if task in TASKS else {}
    return {"up": now < then, "down": now > then}.get(directions.get(metric, "none"), False)


def write_golden(golden: Golden, folder: Path) -> None:
    """Write the values into a reference."""
    text = json.dumps(golden.model_dump(), indent=1, allow_nan=False, ensure_ascii=False)
    write_bytes(folder / FILE, text.encode() + b"\n")


def read_golden(folder: Path) -> Golden:
    """The values of a reference.

    Raises:
        ResultsError: they are missing or damaged.
    """
    file = folder / FILE
    try:
        return Golden.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise ResultsError(
            "no golden values can be read here",
            file=file,
            remedy="make the reference anew: 'saebench nightly --update-reference --reason ...'",
        ) from error
