"""From right and wrong answers to item columns: arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

FLOOR = 0.05
"""A direction counts where a probe trained for the label is so much more accurate than the biased one,"""
SURE = 2.0
"""and by so many standard errors of that difference: a gap that is chance is nothing to be freed from."""


@dataclass(frozen=True)
class Directions:
    """What counts of a pair, decided on validation texts.

    Attributes:
        base: accuracy of the biased probe on each label, `[2]`.
        clean: accuracy of the probe trained for it, `[2]`.
        counted: 0 or 1 for each direction.
        weight: of each direction in the score of the pair: 1 for the one with the lower base among those that count,
            a half each where they tie, else 0.
    """

    base: Array
    clean: Array
    counted: Array
    weight: Array


def directions(base: Array, clean: Array) -> Directions:
    """See `Directions`.

    Args:
        base, clean: whether each probe is right about each label on each validation text, bool `[2, texts]`.
    """
    lower, upper = base.mean(1), clean.mean(1)
    differences = clean.astype(np.float64) - base
    gap, error = differences.mean(1), differences.std(1) / np.sqrt(differences.shape[1])
    counted = (gap >= FLOOR - 1e-12) & (gap >= SURE * error)
    weight = np.zeros(2)
    if counted.any():
        lowest = counted & np.isclose(lower, lower[counted].min(), rtol=0, atol=1e-12)
        weight = lowest / lowest.sum()
    return Directions(lower, upper, counted.astype(float), weight)


def item_columns(base: Array, clean: Array, after: Array, random: Array, chosen: Directions) -> dict[str, Array]:
    """Columns of the test texts of one pair, each `[texts]` or, for gains, `[sizes, texts]`.

    Args:
        base, clean: whether each probe is right about each label, `[2, texts]`.
        after: the biased probe after latents of the other label are taken out, `[sizes, 2, texts]`.
        random: the same after random latents are, mean of several draws.
        chosen: of the validation texts.
    """
    gap = clean.astype(np.float64) - base
    gain, gain_random = after - base.astype(np.float64), random - base.astype(np.float64)
    counted = chosen.counted
    return {
        "gap": chosen.weight @ gap,
        "gap1": counted[0] * gap[0],
        "gap2": counted[1] * gap[1],
        "gain": np.einsum("d,sdt->st", chosen.weight, gain),
        "gain1": counted[0] * gain[:, 0],
        "gain2": counted[1] * gain[:, 1],
        "random": np.einsum("d,sdt->st", chosen.weight, gain_random),
    }
