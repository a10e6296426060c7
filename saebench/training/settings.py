"""What a training run is told: its members and the settings that they share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch

from saebench.dictionaries.blocks.composition import Composition
from saebench.errors import UsageError

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}
LONGEST_SILENCE = 10_000_000
"""A latent counts as dead after this many tokens without firing, or after a tenth of a shorter run."""


@dataclass(frozen=True)
class Member:
    """One dictionary of a panel.

    Its result depends on these fields, the settings and the batches, never on the other members.
    """

    name: str
    """Names the member in messages and its folder under the output folder."""
    composition: Composition
    d_dict: int
    train_seed: int = 0

    def __post_init__(self) -> None:
        if not self.name or self.name in (".", "..") or set(self.name) & set('/\\:*?"<>|'):
            raise UsageError(f"member name '{self.name}' cannot name a folder: use letters, digits, '-', '_', '='")
        if self.d_dict < 1:
            raise UsageError(f"member '{self.name}': d_dict is {self.d_dict}, which is not positive")


@dataclass(frozen=True)
class TrainSettings:
    """Settings that all members of a panel share. One step is one batch."""

    steps: int
    warm_up: float = 0.05
    """Fraction of the steps over which the learning rate rises linearly from 0."""
    decay: float = 0.2
    """Last fraction of the steps, over which the learning rate falls linearly to 0."""
    dead_after: int | None = None
    """Tokens without firing after which a latent counts as dead. None: a tenth of the run, at most 10 million."""
    first_batches: int = 8
    """Batches at the start of the stream from which the input scale is estimated. They are trained on as well."""
    log_every: int = 50
    """Steps between two lines of train.jsonl."""
    checkpoint_every: int = 500
    """Steps between two checkpoints of the training state."""
    device: str = "cpu"
    dtype: str = "float32"
    """Of parameters and activations: float32, float64 or bfloat16."""

    def __post_init__(self) -> None:
        for field in ("steps", "first_batches", "log_every", "checkpoint_every"):
            if getattr(self, field) < 1:
                raise UsageError(f"{field} is {getattr(self, field)}, which is not positive")
        if self.dead_after is not None and self.dead_after < 1:
            raise UsageError(f"dead_after is {self.dead_after}, which is not positive")
        if not (0 <= self.warm_up <= 1 and 0 <= self.decay <= 1):
            raise UsageError(f"warm_up {self.warm_up} and decay {self.decay} must be fractions of the run")
        if self.dtype not in DTYPES:
            raise UsageError(f"dtype '{self.dtype}' is none of {', '.join(DTYPES)}")

    @classmethod
    def for_tokens(cls, tokens: int, batch_size: int, **settings: object) -> Self:
        """Settings with as many steps of `batch_size` tokens as reach `tokens`."""
        return cls(steps=math.ceil(tokens / batch_size), **settings)  # type: ignore[arg-type]

    def silence(self, batch_size: int) -> int:
        """Tokens without firing after which a latent is dead, for batches of `batch_size`."""
        return self.dead_after or max(1, min(LONGEST_SILENCE, self.steps * batch_size // 10))

    def lr_factor(self, step: int) -> float:
        """The learning rate of step `step` (from 0) as a fraction of its largest value.

        Rises as (step + 1) / warm-up steps, then stays, then falls as steps left / decay steps; never 0 within a run.
        """
        rising = (step + 1) / max(1, round(self.warm_up * self.steps))
        falling = (self.steps - step) / max(1, round(self.decay * self.steps))
        return min(1.0, rising, falling)
