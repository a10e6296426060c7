"""The permutation null: what a score of paired rows is when the pairing is random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from saebench.matching.cosines import Array

PERMUTATIONS = 100
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Permuted:
    """A score beside those of random pairings."""

    observed: float
    null: Array
    """`[permutations]`."""

    @property
    def p(self) -> float:
        """(1 + pairings that score as high) / (1 + pairings): never 0, as the observed pairing is one of them."""
        return (1 + int(self.reached.sum())) / (1 + len(self.null))

    @property
    def reached(self) -> Array:
        """Which random pairings score as high, bool `[permutations]`."""
        return self.null >= self.observed - ROUNDING


def permuted(score: Callable[[Array | None], float], rows: int, *, seed: int, draws: int = PERMUTATIONS) -> Permuted:
    """Score the pairing as it is, and `draws` random ones.

    Args:
        score: of the rows of the second side in an order, or as they are.
        rows: number of pairs.
        seed: makes the pairings.
        draws: number of random pairings.
    """
    random = np.random.default_rng(seed)
    return Permuted(score(None), np.array([score(random.permutation(rows)) for _ in range(draws)]))
