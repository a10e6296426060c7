"""Ratios over pairs: items that belong to two clusters each, such as the agreement of two seeds.

Pairs that share a seed are not independent, so seeds are the units and not pairs: the ratio is taken anew with each
cluster left out in turn, and an item goes with either of its clusters. The spread of those ratios gives the standard
error (Efron and Stein, The Jackknife Estimate of Variance, Annals of Statistics 1981; for means over pairs it errs
upwards, Arvesen, Annals of Mathematical Statistics 1969), and the interval is value -+ t_{S-1} errors over S clusters.
For a mean over pairs of (x_a + x_b) / 2 it is Student's interval of the mean of x.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import special

from saebench.stats.bootstrap import LEVEL, ROUNDING, Estimate, Ratio, ratio_estimates
from saebench.stats.clusters import FloatArray, cluster_weights
from saebench.stats.paired import POWER_FACTOR, Difference, Welch, welch_of_errors

MIN_LEFT = 2
"""Fewest clusters with a pair among them."""
MIN_PAIRED_CLUSTERS = MIN_LEFT + 1
"""With one left out, a pair must be left."""


@dataclass(frozen=True, eq=False)
class RatioJackknife:
    """`k` ratios over the same pairs."""

    values: FloatArray
    """`[k]`; meaningless where `reasons` says that there is none."""
    deleted: FloatArray
    """Each ratio with each cluster left out, `[n_clusters, k]`; NaN where it has no value."""
    reasons: tuple[str | None, ...]
    """Why a ratio has no value."""
    spread_scales: FloatArray
    """Size of the terms of each ratio, `[k]`: what rounding errors are relative to."""

    @property
    def n_clusters(self) -> int:
        """Clusters that the pairs are made of."""
        return len(self.deleted)

    def untestable(self, column: int) -> str | None:
        """Why a ratio with a value has no standard error."""
        n = self.n_clusters
        if n < MIN_PAIRED_CLUSTERS:
            return f"{n} {'cluster' if n == 1 else 'clusters'}: a jackknife over pairs needs {MIN_PAIRED_CLUSTERS}"
        lost = int(np.isnan(self.deleted[:, column]).sum())
        return f"{lost} of {n} clusters cannot be left out: the ratio has no value without them" if lost else None

    def error(self, column: int) -> float:
        """Standard error of a testable ratio: sqrt((S - 1) / S * sum_s (ratio_without_s - their mean)^2)."""
        deleted = self.deleted[:, column]
        spread = deleted - deleted.mean()
        if np.abs(spread).max() <= ROUNDING * self.spread_scales[column]:
            return 0.0
        return math.sqrt((len(deleted) - 1) / len(deleted) * float(np.sum(spread**2)))

    def estimate(self, column: int) -> Estimate:
        """Value and interval of one ratio."""
        n = self.n_clusters
        if (reason := self.reasons[column]) is not None:
            return Estimate(None, None, None, n, reason)
        value = float(self.values[column])
        if (reason := self.untestable(column)) is not None:
            return Estimate(value, None, None, n, reason)
        half = float(special.stdtrit(n - 1, 0.5 + LEVEL / 2)) * self.error(column)
        return Estimate(value, value - half, value + half, n)


def ratio_jackknife(first: Sequence[str], second: Sequence[str], ratios: Sequence[Ratio]) -> RatioJackknife:
    """Ratios over pairs, with each cluster left out in turn.

    Args:
        first: one cluster of each item.
        second: the other one.
        ratios: over these items.
    """
    owners, partners = np.asarray(first, dtype=str), np.asarray(second, dtype=str)
    names = np.unique(np.concatenate([owners, partners]))
    whole = ratio_estimates(cluster_weights(first, seed=""), ratios)
    deleted = np.full((len(names), len(ratios)), np.nan)
    for row, name in enumerate(names):
        kept = (owners != name) & (partners != name)
        left = [Ratio(one.numerator[kept], one.denominator[kept], one.complement) for one in ratios]
        without = ratio_estimates(cluster_weights(owners[kept].tolist(), seed=""), left)
        sound = [reason is None for reason in without.reasons]
        deleted[row, sound] = without.values[sound]
    scales = np.array([whole.spread_scale(column) for column in range(len(ratios))])
    return RatioJackknife(whole.values, deleted, whole.reasons, scales)


def jackknife_welch(a: RatioJackknife, b: RatioJackknife, column: int = 0) -> Welch:
    """Welch's t-test of two testable ratios over pairs of clusters that they do not share."""
    difference = float(a.values[column] - b.values[column])
    rounding = ROUNDING * float(a.spread_scales[column] + b.spread_scales[column])
    sides = (a, b)
    return welch_of_errors(
        difference if abs(difference) > rounding else 0.0,
        [side.error(column) for side in sides],
        [side.n_clusters for side in sides],
    )


def jackknife_difference(a: RatioJackknife, b: RatioJackknife, column: int = 0) -> Difference:
    """value(a) - value(b) with Welch's interval and p."""
    n = min(a.n_clusters, b.n_clusters)
    if (reason := a.reasons[column] or b.reasons[column]) is not None:
        return Difference(None, None, None, n, None, None, reason)
    value = float(a.values[column] - b.values[column])
    if (reason := a.untestable(column) or b.untestable(column)) is not None:
        return Difference(value, None, None, n, None, None, reason)
    welch = jackknife_welch(a, b, column)
    half = float(special.stdtrit(welch.degrees, 0.5 + LEVEL / 2)) * welch.error
    return Difference(value, value - half, value + half, n, welch.p, POWER_FACTOR * welch.error)


def jackknife_p_values(sides: Sequence[RatioJackknife]) -> dict[tuple[int, int], float]:
    """Two-sided p of each pair `a < b` of testable subjects, of their first ratio."""
    testable = [i for i, side in enumerate(sides) if side.reasons[0] is None and side.untestable(0) is None]
    return {(a, b): jackknife_welch(sides[a], sides[b]).p for a, b in combinations(testable, 2)}
