"""The whole story on the packaged model: train a small panel, score it, log it, draw the page.

Every step leaves what it made on disk under a name that says what it holds, so that an interrupted quickstart goes
on where it was when it is started again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from saebench.progress import Progress, Silent
from saebench.run.evaluate import Outcome, Settings, run_suite, set_scene
from saebench.run.suite import load_suite
from saebench.run.training import TrainingJob, members_of, train_on
from saebench.training import TrainSettings

SUITE = "quick"
LATENTS = 2048
BATCH = 1024
STEPS = 400
PANEL = (
    ("topk", 32, (0, 1)),
    ("topk", 64, (0,)),
    ("batchtopk", 32, (0,)),
    ("batchtopk", 64, (0,)),
    ("matryoshka_batchtopk", 32, (0,)),
)
"""Architecture, L0, training seeds."""


@dataclass(frozen=True)
class Story:
    """What a quickstart leaves."""

    outcome: Outcome
    page: Path
    mlflow_uri: str


def quickstart(
    out: Path,
    *,
    device: str = "auto",
    dtype: str | None = None,
    batch_size: int | None = None,
    mlflow: str | None = None,
    progress: Progress | None = None,
) -> Story:
    """Train the panel into `out/dictionaries`, score it into `out/results`, log it and build `out/leaderboard`.

    Raises:
        AssetError: the packaged model or corpus cannot be fetched.
        StorageError: the disk is full; what finished is kept.
    """
    from saebench.report.leaderboard import build_leaderboard
    from saebench.tracking.mlflow import sync

    progress = progress or Silent()
    suite = load_suite(SUITE)
    settings = Settings(out / "results", device=device, dtype=dtype, batch_size=batch_size)
    scene = set_scene(suite, settings, progress)
    members = tuple(
        member
        for architecture, l0, seeds in PANEL
        for member in members_of(
            architecture,
            widths=[LATENTS],
            sparsities=[("k" if "topk" in architecture else "l0", l0)],
            seeds=seeds,
        )
    )
    assert suite.site is not None
    job = TrainingJob(
        members,
        suite.site,
        suite.data.fit,
        TrainSettings(steps=STEPS, checkpoint_every=100, device=str(scene.lm.device)),
        batch_size=BATCH,
        store_dtype=scene.store_dtype,
    )
    dictionaries = out / "dictionaries"
    train_on(scene.lm, scene.store, job, dictionaries, resume=True, progress=progress)
    subjects = [str(dictionaries / member.name) for member in members]
    permuted = f"control:permuted?of={subjects[0]}"
    outcome = run_suite([*subjects, permuted], suite, settings, progress, scene=scene)
    report = sync(out / "results", mlflow)
    page = build_leaderboard([out / "results"], out / "leaderboard")
    return Story(outcome, page, report.uri)
