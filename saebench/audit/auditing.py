"""The audit of one task: the same subjects under several seeds, then dictionaries of known quality on a world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np

from saebench.audit.metric import audit_metric
from saebench.audit.questions import questions_for
from saebench.audit.scores import audited
from saebench.audit.sweep import Sweep, train_sweep
from saebench.bench import Failure
from saebench.errors import DataError, UsageError
from saebench.lm.synthetic.model import SITE, SyntheticModel
from saebench.progress import Progress, Silent
from saebench.results.audits import FOLDER, AuditRecord, AuditSettings
from saebench.results.schema import ResultRecord
from saebench.run.evaluate import Settings, run_suite, set_scene
from saebench.run.plan import resolved
from saebench.run.scene import Scene
from saebench.run.suite import Suite, TaskEntry, load_suite
from saebench.stats.quantity import Quantity
from saebench.stats.reliability import spearman
from saebench.tasks import TASKS
from saebench.tasks.contract import Metric, Task

SUITE = "audit"
"""Packaged suite with every task at the budget of its audit."""
TRUTH_SUITE = "truth"
TRUTH_TASK = "ground_truth@1"
TRUTH = {"f1": "f1", "mcc": "mcc"}
"""Metrics of the ground-truth task that others are held against."""
SEEDS = (0, 1, 2, 3, 4)
WORLD = "synthetic:small"


@dataclass(frozen=True)
class Request:
    """What to audit, on what."""

    task: str
    subjects: tuple[str, ...]
    settings: Settings
    """Where and how; `out` is the results folder that gets the audit."""
    suite: str = SUITE
    world: str = WORLD


@dataclass(frozen=True)
class Audit:
    """A finished audit and the subjects that failed in it."""

    record: AuditRecord
    failures: tuple[Failure, ...]


def run_audit(request: Request, progress: Progress | None = None) -> Audit:
    """Measure the reliability of a task. Results that exist already are not computed again.

    Raises:
        UnknownName: no such task, suite or world.
        UsageError: fewer than five seeds, or the suite does not have the task.
    """
    progress = progress or Silent()
    seeds = tuple(dict.fromkeys(request.settings.seeds or SEEDS))
    if len(seeds) < len(SEEDS):
        raise UsageError(f"an audit needs at least {len(SEEDS)} different seeds, not {len(seeds)}")
    task = TASKS.get(request.task)()
    suite, entry = only(load_suite(request.suite), request.task)
    own = replace(request.settings, out=request.settings.out / FOLDER / "runs", seeds=seeds)
    outcome = run_suite(request.subjects, suite, own, progress)
    if len(sites := {str(record.site) for record in outcome.records}) > 1:
        raise UsageError(f"subjects of one audit stand at one site, not at {', '.join(sorted(sites))}")
    subjects = audited(outcome.records, seeds)
    if not subjects:
        raise UsageError(f"no subject has a result of {request.task} under every seed: see the failures")
    truth = hold_against_truth(task, request, own, progress)
    metrics = [one for one in task.card.metrics if one.direction != "none" and one.group == "main"]
    record = AuditRecord(
        task=request.task,
        metrics_fingerprint=task.card.fingerprint(),
        settings=AuditSettings(
            suite=suite.label,
            lm=first_model(outcome.records),
            site=outcome.records[0].site,
            params=resolved(entry, task).model_dump(mode="json"),
            eval_seeds=seeds,
            subjects=tuple(one.name for one in subjects),
            world=request.world,
            sweep=truth.subjects,
            budget=suite.about,
            saebench=version("saebench"),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
        metrics=tuple(audit_metric(task.card, metric, subjects, truth.of(metric)) for metric in metrics),
    )
    return Audit(record, outcome.failures)


def first_model(records: Sequence[ResultRecord]) -> str:
    """Name of the language model of some results of one run."""
    return next((record.model.name for record in records if record.model), "")


def only(suite: Suite, task: str) -> tuple[Suite, TaskEntry]:
    """The suite with this task alone, as it has it first.

    Raises:
        UsageError: it does not have it.
    """
    entry = next((one for one in suite.tasks if one.task == task), None)
    if entry is None:
        known = ", ".join(dict.fromkeys(one.task for one in suite.tasks))
        raise UsageError(f"suite {suite.name} does not have {task} (it has: {known}): name one that has with --suite")
    return suite.model_copy(update={"tasks": [entry]}), entry


@dataclass(frozen=True)
class Truth:
    """Subjects of a sweep with their scores and their ground truth, or the reason why there are none."""

    subjects: tuple[str, ...] = ()
    scores: tuple[ResultRecord, ...] = ()
    truth: Mapping[str, tuple[float, ...]] | None = None
    """Ground truth of each subject, under "f1" and "mcc"."""
    reason: str = ""

    def of(self, metric: Metric) -> dict[str, Quantity]:
        """Rank correlation of a metric, higher is better, with each kind of ground truth."""
        return {name: self._agreement(metric, name) for name in TRUTH}

    def _agreement(self, metric: Metric, name: str) -> Quantity:
        if self.truth is None:
            return Quantity(None, undefined=self.reason)
        values = [record.metrics[metric.name].value for record in self.scores]
        kept = [index for index, value in enumerate(values) if value is not None]
        sign = -1.0 if metric.direction == "down" else 1.0
        own = np.array([sign * float(values[index] or 0.0) for index in kept])
        return spearman(own, np.array([self.truth[name][index] for index in kept]))


def hold_against_truth(task: Task, request: Request, settings: Settings, progress: Progress) -> Truth:
    """Score the sweep on the world with the task and with the ground truth.

    The ground truth itself, and a task that cannot run there, have a reason instead.
    """
    if request.task == TRUTH_TASK:
        return Truth(reason="it is the ground truth that other tasks are held against")
    suite = world_suite(request.world)
    on_world = replace(settings, lm=request.world, site=SITE, dtype=None, seeds=(suite.eval_seeds[0],))
    scene = set_scene(suite, on_world, progress)
    if not isinstance(scene.lm, SyntheticModel):
        raise UsageError(f"'{request.world}' is no synthetic world: 'saebench ls lms' lists those")
    folder = request.settings.out / FOLDER / "worlds" / scene.lm.fingerprint[:12]
    sweep = train_sweep(scene, folder / "dictionaries", SITE, scene.lm.world.features)
    subjects = sweep.subjects(task.takes[0])
    try:
        params = questions_for(request.task, scene.lm.world, folder / "questions" / request.task)
        entry = TaskEntry(task=request.task, params=params)
        outcome = run_suite(subjects, suite, on_world, scene=with_tasks(scene, entry))
    except (UsageError, DataError) as error:
        return Truth(reason=f"it cannot run on a synthetic world: {error}")
    if outcome.failures and not outcome.records:
        return Truth(reason=f"it cannot run on a synthetic world: {outcome.failures[0].message}")
    known = known_truth(sweep, scene, on_world)
    records = tuple(record for record in outcome.records if known.keys() >= set(fingerprints(record)))
    truth = {
        name: tuple(float(np.mean([known[one][name] for one in fingerprints(record)])) for record in records)
        for name in TRUTH
    }
    return Truth(tuple(record.subject.name for record in records), records, truth)


def world_suite(world: str) -> Suite:
    """The suite of the ground truth on another world, without its controls."""
    suite = load_suite(TRUTH_SUITE)
    data = suite.data.model_copy(
        update={part: getattr(suite.data, part).model_copy(update={"source": world}) for part in ("eval", "fit")}
    )
    return suite.model_copy(update={"lm": world, "data": data, "controls": []})


def with_tasks(scene: Scene, entry: TaskEntry) -> Scene:
    """The scene with one task in its suite; rows and activations that it holds stay."""
    return replace(scene, suite=scene.suite.model_copy(update={"tasks": [entry]}))


def known_truth(sweep: Sweep, scene: Scene, settings: Settings) -> dict[str, dict[str, float]]:
    """Ground truth of every dictionary and control of the sweep that has one, by fingerprint."""
    entry = TaskEntry(task=TRUTH_TASK, params={"hedging_steps": 0})
    singles = [*sweep.singles(), *(f"control:random?seed={seed}" for seed in (1, 2))]
    outcome = run_suite(singles, scene.suite, settings, scene=with_tasks(scene, entry))
    found: dict[str, dict[str, float]] = {}
    for record in outcome.records:
        values = {name: record.metrics[key].value for name, key in TRUTH.items()}
        whole = {name: value for name, value in values.items() if value is not None}
        if len(whole) == len(TRUTH):
            found[record.subject.fingerprint] = whole
    return found


def fingerprints(record: ResultRecord) -> list[str]:
    """Of the subject, or of its members."""
    members = record.subject.provenance.get("members")
    return [one["fingerprint"] for one in members] if members else [record.subject.fingerprint]
