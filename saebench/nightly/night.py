"""One night: golden values, the panel against the reference, what moved once more under fresh seeds, history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep

from saebench.bench import Failure
from saebench.nightly.code import Code, running_code
from saebench.nightly.comparing import Compared, compare
from saebench.nightly.costs import cost_points
from saebench.nightly.drift import Series, series_of
from saebench.nightly.golden import GoldenChange, golden_changes, golden_values, redefined
from saebench.nightly.history import NightLine, Point, read_history, write_history
from saebench.nightly.matching import match
from saebench.nightly.reference import Reference, packaged_reference, read_reference
from saebench.nightly.scoring import CONFIRMING, Machine, fresh_settings, score, score_again
from saebench.nightly.verdicts import Verdict, judge, moves
from saebench.progress import Progress, Silent
from saebench.results.audits import audit_of
from saebench.results.schema import ResultRecord
from saebench.results.store import ResultStore
from saebench.run.evaluate import Settings
from saebench.run.panel import load_panel
from saebench.run.suite import Suite, load_suite
from saebench.tasks import TASKS
from saebench.tasks.contract import Card


@dataclass(frozen=True)
class Request:
    """What to score and where."""

    out: Path
    """Holds the history, the page of trends and a folder for each night."""
    panel: str = "nightly"
    suite: str = "nightly"
    reference: Path | None = None
    """None: the packaged reference of the panel's name."""
    machine: Machine = field(default_factory=Machine)

    @property
    def reference_folder(self) -> Path:
        """Where the reference is read and written."""
        return self.reference or packaged_reference(self.panel)


@dataclass(frozen=True)
class Night:
    """What a night found."""

    folder: Path
    """Its results and reports."""
    name: str
    """Its start, UTC, to the second."""
    request: Request
    suite: str
    """`name-vVERSION`."""
    code: Code
    reference: Reference
    golden_count: int
    golden: tuple[GoldenChange, ...]
    redefined: tuple[str, ...]
    """Tasks whose metric definitions changed under the same version."""
    verdicts: tuple[Verdict, ...]
    drift: tuple[Series, ...]
    failures: tuple[Failure, ...]
    seconds: float

    def of_kind(self, kind: str) -> list[Verdict]:
        """Verdicts of one kind."""
        return [verdict for verdict in self.verdicts if verdict.kind == kind]

    @property
    def lost(self) -> list[Verdict]:
        """Cells whose value is gone."""
        return [verdict for verdict in self.verdicts if verdict.compared.lost]

    @property
    def replaced(self) -> list[str]:
        """Subjects that are others than in the reference, under the same name."""
        return list(dict.fromkeys(one.cell.subject for one in self.verdicts if one.compared.replaced))

    @property
    def nothing_compared(self) -> bool:
        """No cell of the panel could be compared at all."""
        return len(self.of_kind("not comparable")) == len(self.verdicts)


def run_night(request: Request, progress: Progress | None = None) -> Night:
    """Score the panel anew, compare it with the reference and add the night to the history.

    Raises:
        ResultsError: there is no reference, or it or the history is damaged; before anything is scored.
        UsageError, InputError: a name or a file is wrong.
        StorageError: the disk is full.
    """
    progress = progress or Silent()
    reference = read_reference(request.reference_folder)
    history = read_history(request.out)
    suite, subjects = load_suite(request.suite), load_panel(request.panel)
    name, folder = begin(request.out)
    clock = monotonic()
    progress.note(f"night {name}: {request.panel} against the reference of {reference.facts.made[:10]}")
    golden, golden_failures = golden_values()
    with fresh_settings(folder, request.machine) as settings:
        outcome = score(subjects, suite, settings, suite.eval_seeds, progress)
        seconds = monotonic() - clock
        failed = {failure.subject: failure.message for failure in outcome.failures}
        cells = cells_of(outcome.records, ResultStore(settings.out), reference, suite.eval_seeds, failed)
        again, more_failures = confirm(cells, outcome.records, suite, settings, reference, progress)
    verdicts = judge(cells, again)
    line = NightLine(
        night=name,
        code=running_code(),
        points=(*score_points(verdicts), *cost_points(outcome.records, seconds)),
    )
    history = [*history, line]
    write_history(request.out, history)
    return Night(
        folder=folder,
        name=name,
        request=request,
        suite=suite.label,
        code=line.code,
        reference=reference,
        golden_count=sum(1 for _ in golden.cells()),
        golden=golden_changes(reference.golden, golden),
        redefined=redefined(reference.golden, golden),
        verdicts=tuple(verdicts),
        drift=tuple(series_of(history)),
        failures=(*golden_failures, *outcome.failures, *more_failures),
        seconds=monotonic() - clock,
    )


def begin(out: Path, purpose: str = "") -> tuple[str, Path]:
    """Name and new folder of a night that begins now, its purpose behind the name: one night a second."""
    while True:
        name = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
        folder = out / f"{name}{purpose}"
        if not folder.exists():
            return name, folder
        sleep(0.2)


def cells_of(
    records: Sequence[ResultRecord],
    store: ResultStore,
    reference: Reference,
    seeds: Sequence[int],
    failed: dict[str, str],
) -> list[Compared]:
    """Every cell of some results and of those of the reference that have the same seeds."""
    theirs = [record for record in reference.records if record.eval_seed in seeds]
    return compare(
        match(records, theirs),
        store.items,
        reference.store.items,
        reference.definitions,
        card_of,
        lambda card: audit_of(card, reference.store.root),
        failed,
    )


def card_of(task: str) -> Card:
    """The card of a task."""
    return TASKS.get(task).card


def confirm(
    cells: Sequence[Compared],
    records: Sequence[ResultRecord],
    suite: Suite,
    settings: Settings,
    reference: Reference,
    progress: Progress,
) -> tuple[list[Compared], tuple[Failure, ...]]:
    """The cells that moved, under seeds that the reference has and tonight had not."""
    flagged = list(moves(cells))
    seeds = [seed for seed in reference.facts.confirming_seeds if seed not in suite.eval_seeds]
    if not flagged or not seeds:
        return [], ()
    progress.note(f"{len(flagged)} cells moved: once more under fresh seeds {', '.join(map(str, seeds))}")
    found, failures = score_again(flagged, records, suite, settings, seeds, progress)
    failed = {failure.subject: failure.message for failure in failures}
    store = ResultStore(settings.out.with_name(CONFIRMING))
    again = cells_of(found, store, reference, seeds, failed)
    return [one for one in again if one.cell in set(flagged)], failures


def score_points(verdicts: Sequence[Verdict]) -> list[Point]:
    """What the history keeps of each cell that has a value tonight."""
    points = []
    for verdict in verdicts:
        one = verdict.compared
        cell, scored = one.cell, one.scored
        if scored is not None and one.now is not None and one.now.value is not None:
            points.append(
                Point(
                    series=f"{one.key} {cell.metric}",
                    subject=cell.subject,
                    fingerprint=scored.subject.fingerprint,
                    lm=scored.identity.lm,
                    site=scored.site,
                    task=cell.task,
                    setting=cell.setting,
                    metric=cell.metric,
                    value=one.now.value,
                    low=one.now.low,
                    high=one.now.high,
                    margin=one.margin.value,
                    verdict=verdict.kind,
                )
            )
    return points
