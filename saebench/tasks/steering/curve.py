"""What a subject does to the prompts of one concept at each factor, which factor is chosen, and what equal KL gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

SCORED = ("concept", "instruction", "fluency", "harmonic")
FACTS = ("kl", "loss", "repetition", "degenerate")
COLUMNS = (*SCORED, *FACTS)


@dataclass(frozen=True, eq=False)
class Curve:
    """Values `[1 + factors, prompts]` by name (`COLUMNS`); the first row is the plain model, whose KL is 0.

    KL is infinite where a text has no token because its activations overflowed at once.
    """

    values: Mapping[str, FloatArray]

    def at(self, name: str, step: int, prompts: Sequence[int]) -> FloatArray:
        """Values of some prompts at a factor, counted from 1; 0 is the plain model."""
        return self.values[name][step, list(prompts)]

    def chosen(self, prompts: Sequence[int]) -> int:
        """The factor, counted from 1, with the best mean harmonic score on some prompts; the smallest of equals."""
        means = self.values["harmonic"][1:, list(prompts)].mean(1)
        return 1 + int(means.argmax())

    def crossing(self, level: float, prompts: Sequence[int]) -> tuple[int, float] | None:
        """Where the mean KL of some prompts first reaches a level: (step below, share of the way to the next one).

        None where no factor reaches it.
        """
        means = self.values["kl"][:, list(prompts)].mean(1)
        above = np.flatnonzero(means >= level)
        if not len(above):
            return None
        step = int(above[0]) - 1
        way = means[step + 1] - means[step]
        return step, float((level - means[step]) / way)

    def between(self, name: str, place: tuple[int, float], prompts: Sequence[int]) -> FloatArray:
        """Values of some prompts at a place that `crossing` found, on the line between two factors."""
        step, share = place
        low, high = self.at(name, step, prompts), self.at(name, step + 1, prompts)
        return np.asarray((1 - share) * low + share * high)
