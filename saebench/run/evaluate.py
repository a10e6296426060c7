"""Run a suite on subjects: plan, skip what exists, score the rest, write results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from saebench.activations.artefacts import ArtefactStore
from saebench.activations.store import ActivationStore
from saebench.bench import Failure
from saebench.lm.model import load_model
from saebench.progress import Progress, Silent
from saebench.results.schema import ResultRecord
from saebench.results.store import ResultStore
from saebench.run.executors import EXECUTORS
from saebench.run.group import score_group
from saebench.run.plan import Plan, SubjectLike, make_plan
from saebench.run.scene import Scene
from saebench.run.suite import Suite, load_suite


@dataclass(frozen=True)
class Settings:
    """Where and how a run computes."""

    out: Path
    lm: str | None = None
    """Overrides the suite's model."""
    site: str | None = None
    seeds: tuple[int, ...] | None = None
    """Overrides the suite's eval_seeds."""
    device: str = "auto"
    dtype: str | None = None
    """Overrides the suite's compute and store dtype; it is part of a result's identity."""
    batch_size: int | None = None
    """Rows whose logits exist at once."""
    executor: str = "serial"
    cache: Path | None = None
    """Folder of the activation store; None: the platform's cache folder."""


@dataclass(frozen=True)
class Outcome:
    """What a run did."""

    out: Path
    computed: tuple[ResultRecord, ...]
    skipped: tuple[ResultRecord, ...]
    failures: tuple[Failure, ...]

    @property
    def records(self) -> tuple[ResultRecord, ...]:
        """All results of the run's units, computed now or before."""
        return (*self.skipped, *self.computed)


def set_scene(suite: Suite, settings: Settings, progress: Progress) -> Scene:
    """Load the model and open the activation store."""
    import torch

    if settings.dtype is not None:
        suite = suite.model_copy(update={"dtype": settings.dtype, "store_dtype": settings.dtype})
    lm = load_model(settings.lm or suite.lm, device=settings.device, dtype=getattr(torch, suite.dtype))
    beside = settings.cache.with_name(f"{settings.cache.name}-artefacts") if settings.cache else None
    return Scene(suite, lm, ActivationStore(settings.cache), progress, ArtefactStore(beside))


def plan_suite(
    subjects: Sequence[SubjectLike],
    suite: str | Suite,
    settings: Settings,
    progress: Progress | None = None,
    scene: Scene | None = None,
) -> tuple[Scene, Plan]:
    """The scene (a given one is used as it is) and the plan of a run, with nothing computed but fingerprints."""
    if scene is None:
        scene = set_scene(load_suite(suite) if isinstance(suite, str) else suite, settings, progress or Silent())
    plan = make_plan(
        scene,
        subjects,
        ResultStore(settings.out),
        site=settings.site,
        seeds=settings.seeds,
        rows_per_block=settings.batch_size,
    )
    return scene, plan


def run_suite(
    subjects: Sequence[SubjectLike],
    suite: str | Suite,
    settings: Settings,
    progress: Progress | None = None,
    scene: Scene | None = None,
) -> Outcome:
    """Score subjects with a suite. A finished unit is never computed again.

    Raises:
        UsageError, InputError: before anything is computed, when a name or a file is wrong.
        StorageError: the disk is full; what finished is stored.
    """
    executor = EXECUTORS.get(settings.executor)()
    scene, plan = plan_suite(subjects, suite, settings, progress, scene)
    results = ResultStore(settings.out)
    computed: list[ResultRecord] = []
    failures: list[Failure] = []
    for outcome in executor.run(plan.groups, lambda group: score_group(group, scene, results, executor.name)):
        computed.extend(outcome.computed)
        failures.extend(outcome.failures)
    skipped = tuple(results.read(unit.id) for unit in plan.units if unit.done)
    return Outcome(settings.out, tuple(computed), skipped, tuple(failures))
