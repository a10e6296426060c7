"""Scoring for a night: always anew, into folders of its own, with stores that nothing was in before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from saebench.bench import Failure
from saebench.nightly.comparing import Cell
from saebench.progress import Progress
from saebench.results.atomic import storage_errors
from saebench.results.schema import ResultRecord
from saebench.run.evaluate import Outcome, Settings, run_suite, set_scene
from saebench.run.suite import Suite

RESULTS = "results"
CONFIRMING = "confirming"
CONFIRMING_SEEDS = 2
"""Seeds that confirm, next to the suite's own."""


@dataclass(frozen=True)
class Machine:
    """How a night computes; nothing of it makes a cell incomparable but the dtype."""

    device: str = "auto"
    dtype: str | None = None
    batch_size: int | None = None


def confirming_seeds(suite: Suite) -> tuple[int, ...]:
    """The first seeds after those of the suite."""
    return tuple(max(suite.eval_seeds) + 1 + number for number in range(CONFIRMING_SEEDS))


@contextmanager
def fresh_settings(folder: Path, machine: Machine) -> Iterator[Settings]:
    """Settings whose activations and artefacts start empty, and are removed at the end."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        stores = TemporaryDirectory(prefix=".stores-", dir=folder)
    with stores as place:
        yield Settings(
            folder / RESULTS,
            device=machine.device,
            dtype=machine.dtype,
            batch_size=machine.batch_size,
            cache=Path(place) / "activations",
        )


def score(
    subjects: Sequence[str], suite: Suite, settings: Settings, seeds: Sequence[int], progress: Progress
) -> Outcome:
    """Score the panel under some seeds."""
    return run_suite(subjects, suite, replace(settings, seeds=tuple(seeds)), progress)


def score_again(
    cells: Sequence[Cell],
    records: Sequence[ResultRecord],
    suite: Suite,
    settings: Settings,
    seeds: Sequence[int],
    progress: Progress,
) -> tuple[list[ResultRecord], tuple[Failure, ...]]:
    """Score the subjects and tasks of some cells under other seeds, controls of the suite left out.

    Args:
        cells: what is asked about.
        records: of the first run, which say how the subjects are made and where they stand.
        suite: of the first run.
        settings: of the first run.
        seeds: fresh ones.
        progress: told what is computed.

    Returns:
        Results under the names of the first run, and what failed.
    """
    wanted = {(cell.subject, cell.task) for cell in cells}
    asked = [record for record in records if (record.subject.name, record.task) in wanted]
    names = {record.subject.spec: record.subject.name for record in asked}
    tasks = {record.task for record in asked}
    only = suite.model_copy(update={"tasks": [entry for entry in suite.tasks if entry.task in tasks], "controls": []})
    found: list[ResultRecord] = []
    failures: list[Failure] = []
    scene = set_scene(only, settings, progress)
    for site in dict.fromkeys(record.site for record in asked):
        specs = dict.fromkeys(record.subject.spec for record in asked if record.site == site)
        again = replace(settings, out=settings.out.with_name(CONFIRMING), site=site, seeds=tuple(seeds))
        outcome = run_suite(list(specs), only, again, progress, scene=scene)
        found += [renamed(record, names) for record in outcome.records]
        failures += outcome.failures
    return found, tuple(failures)


def renamed(record: ResultRecord, names: Mapping[str, str]) -> ResultRecord:
    """The result under the name that its subject had beside all others of the panel."""
    name = names.get(record.subject.spec, record.subject.name)
    return record.model_copy(update={"subject": record.subject.model_copy(update={"name": name})})
