"""Subjects of one architecture pooled over training seeds and sparsity, with the doubt of both items and trainings.

The value of an architecture is the mean over bands of L0 of the mean over its subjects in the band. Its interval
answers for other items and for other trainings; two variances are added. That of the items is of the mean over the
subjects' linearised items, which they share where the task pairs them. That of the trainings is s^2 sum(weight^2),
with s^2 the variance of subjects within bands, pooled over bands. What an item does to one subject alone counts in
both, so that the sum errs upwards (two-way clusters without the correction for their intersection: Cameron, Gelbach
and Miller, Robust Inference with Multiway Clustering, JBES 2011). The half width is Student's t with the degrees of
freedom of Welch and Satterthwaite. With one subject in each band the spread of trainings is not known, and there is
neither interval nor test.

Two architectures are compared over the bands that both have, so that no difference crosses unlike sparsity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import special

from saebench.results.pair_tests import Pair, PairTests
from saebench.results.sparsity import Band
from saebench.stats import Difference, Estimate
from saebench.stats.bootstrap import LEVEL, MIN_CLUSTERS, too_few
from saebench.stats.combined import Sampled, against_zero, weighted_sum
from saebench.stats.paired import POWER_FACTOR

ONE_TRAINING = "one subject in each band of L0: the spread between trainings is not known"
NO_BAND = "no band of L0 in common"


@dataclass(frozen=True, eq=False)
class PooledValues:
    """One architecture on one metric: the resampled values of its subjects, by band."""

    by_band: Mapping[Band, Sequence[Sampled]]

    @property
    def degrees(self) -> int:
        """Subjects beyond the first of each band."""
        return sum(len(own) - 1 for own in self.by_band.values())

    @property
    def variance(self) -> float:
        """Of subjects within bands, pooled over bands; 0 where no band has two."""
        squares = sum(float(np.var([one.value for one in own])) * len(own) for own in self.by_band.values())
        return squares / self.degrees if self.degrees else 0.0

    def terms(self, bands: Sequence[Band]) -> list[tuple[float, Sampled]]:
        """Weights and values of the mean over some of its bands."""
        return [(1 / (len(bands) * len(self.by_band[band])), one) for band in bands for one in self.by_band[band]]

    def estimate(self) -> Estimate:
        """The mean over all of its bands."""
        mean = _mean([(self, 1.0)], list(self.by_band))
        if mean.undefined is not None:
            return Estimate(mean.value, None, None, mean.n, mean.undefined)
        return Estimate(mean.value, mean.value - mean.half_width, mean.value + mean.half_width, mean.n)


@dataclass(frozen=True)
class _Mean:
    """A mean over bands, or the difference of two, with both variances."""

    value: float
    n: int
    """Clusters of items."""
    undefined: str | None
    """Why it has neither interval nor test."""
    error: float = 0.0
    degrees: float = math.inf
    p: float = 1.0

    @property
    def half_width(self) -> float:
        return float(special.stdtrit(self.degrees, 0.5 + LEVEL / 2)) * self.error


def _mean(sides: Sequence[tuple[PooledValues, float]], bands: Sequence[Band]) -> _Mean:
    """The signed sum of architectures' means over these bands."""
    total = weighted_sum([(sign * weight, one) for side, sign in sides for weight, one in side.terms(bands)])
    n = min(total.units.values())
    if any(side.degrees == 0 for side, _ in sides):
        return _Mean(total.value, n, ONE_TRAINING)
    if n < MIN_CLUSTERS:
        return _Mean(total.value, n, too_few(n))
    items = against_zero(total)
    parts = [(items.error**2, items.degrees)]
    for side, _ in sides:
        parts.append((side.variance * sum(weight**2 for weight, _ in side.terms(bands)), float(side.degrees)))
    error = math.sqrt(sum(variance for variance, _ in parts))
    if error == 0:
        return _Mean(total.value, n, None, p=items.p)
    degrees = error**4 / sum(variance**2 / free for variance, free in parts)
    return _Mean(total.value, n, None, error, degrees, float(2 * special.stdtr(degrees, -abs(total.value) / error)))


class PooledTests(PairTests):
    """Tests of architectures over the bands that both have.

    Args:
        sides: one an architecture.
    """

    shared = None

    def __init__(self, sides: Sequence[PooledValues]) -> None:
        self._sides = sides
        self._means = {(a, b): self._between(a, b) for a, b in combinations(range(len(sides)), 2)}

    def p_values(self) -> dict[Pair, float]:
        return {pair: mean.p for pair, mean in self._means.items() if mean is not None and mean.undefined is None}

    def value(self, a: int, b: int) -> float:
        mean = self._means[a, b]
        assert mean is not None
        return mean.value

    def difference(self, a: int, b: int) -> Difference:
        mean = self._between(a, b)
        if mean is None:
            return Difference(None, None, None, 0, None, None, NO_BAND)
        if mean.undefined is not None:
            return Difference(mean.value, None, None, mean.n, None, None, mean.undefined)
        low, high = mean.value - mean.half_width, mean.value + mean.half_width
        return Difference(mean.value, low, high, mean.n, mean.p, POWER_FACTOR * mean.error)

    def detectable(self, a: int, b: int) -> float:
        mean = self._means[a, b]
        assert mean is not None
        return POWER_FACTOR * mean.error

    def _between(self, a: int, b: int) -> _Mean | None:
        bands = [band for band in self._sides[a].by_band if band in self._sides[b].by_band]
        return _mean([(self._sides[a], 1.0), (self._sides[b], -1.0)], bands) if bands else None
