"""Dictionaries of known and different quality on a synthetic world: trained short and long, sparse and dense."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from saebench.run.scene import Scene
from saebench.run.training import TrainingJob, members_of, train_on
from saebench.training import TrainSettings

BATCH = 1024
KS = (2, 8, 32)
"""Below, at and above the 8.2 features that are on in a sample of synthetic:small."""
STEPS = (40, 200, 1000)
SEEDS = (0, 1, 2)
"""Of each setting: a set is made of them; single dictionaries are those of the first seed."""


@dataclass(frozen=True)
class Sweep:
    """Subject specifications, best understood in groups of one setting."""

    sets: tuple[tuple[str, ...], ...]
    """Paths of the dictionaries of each setting, one for each seed."""

    def subjects(self, takes: str) -> list[str]:
        """What a task that takes this kind of subject is run on, controls included."""
        first = self.sets[0][0]
        if takes == "set":
            made = [f"set:{','.join(members)}" for members in self.sets]
            random = ",".join(f"control:random?seed={seed}" for seed in SEEDS)
            return [*made, f"set:{random}"]
        if takes == "pair":
            return [f"pair:{members[0]},{members[1]}" for members in self.sets]
        singles = [members[0] for members in self.sets]
        return [*singles, "control:oracle", "control:random", f"control:permuted?of={first}"]

    def singles(self) -> list[str]:
        """Every dictionary, and the controls of single dictionaries."""
        return [*(path for members in self.sets for path in members), *self.subjects("dictionary")[len(self.sets) :]]


def train_sweep(scene: Scene, folder: Path, site: str, width: int) -> Sweep:
    """Train what is not there yet: TopK at each sparsity and length, under each seed."""
    sets = []
    for steps in STEPS:
        place = folder / f"steps-{steps}"
        members = members_of("topk", widths=[width], sparsities=[("k", k) for k in KS], seeds=SEEDS)
        if not all((place / member.name / "config.json").is_file() for member in members):
            data = scene.suite.data.fit.model_copy(update={"tokens": STEPS[-1] * BATCH // 4})
            job = TrainingJob(members, site, data, TrainSettings(steps=steps, checkpoint_every=500), batch_size=BATCH)
            train_on(scene.lm, scene.store, job, place, resume=place.exists(), progress=scene.progress)
        for k in KS:
            sets.append(tuple(str(place / f"topk-{width}-k{k}-s{seed}") for seed in SEEDS))
    return Sweep(tuple(sets))
