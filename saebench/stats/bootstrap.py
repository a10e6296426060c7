"""Ratios of sums with cluster bootstrap intervals: the one kind of estimate that saebench publishes.

A ratio is sum_i(numerator_i) / sum_i(denominator_i) over items; items fall into clusters (documents), clusters
are resampled with replacement, and one weights x sums product gives every ratio of a panel in every resample.

Intervals are BCa (Efron, Better Bootstrap Confidence Intervals, JASA 1987) at a level that is expanded for
small samples: the normal quantile is replaced by t_{n-1} * sqrt(n / (n - 1)) (Hesterberg, What Teachers Should
Know About the Bootstrap, The American Statistician 2015, section 5.3). Coverage of the mean of an exponential
variable, nominal 95 %: plain percentiles 86 / 93 / 93 % at 10 / 60 / 100 clusters, this form 92 / 94 / 94 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from saebench.stats.clusters import ClusterWeights, FloatArray, IntArray

LEVEL = 0.95
MIN_CLUSTERS = 10
"""With fewer clusters an interval or a test is not worth its name, and is left undefined."""
BAD_RESAMPLES = 0.05
"""Largest share of resamples whose denominator may vanish or change sign."""
ROUNDING = 1e-12
"""A sum that is smaller than this share of the sum of its terms' sizes is taken as zero."""


@dataclass(frozen=True)
class Estimate:
    """A number with its doubt. `undefined` says why `value`, or the interval beside a value, is None."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    """Clusters that contribute: those with a numerator or denominator that is not zero."""
    undefined: str | None = None


@dataclass(frozen=True)
class Ratio:
    """One ratio of sums over items, or one minus it."""

    numerator: FloatArray
    """`[n_items]`."""
    denominator: FloatArray
    """`[n_items]`."""
    complement: bool = False


@dataclass(frozen=True, eq=False)
class RatioBootstrap:
    """`k` ratios over the same items, resampled together."""

    weights: ClusterWeights
    numerators: FloatArray
    """Group sums, `[n_groups, k]`; a complement has denominator minus numerator here."""
    denominators: FloatArray
    """Group sums, `[n_groups, k]`."""
    totals: FloatArray
    """Sum of the denominators, `[k]`; 1 where the ratio is undefined."""
    n: IntArray
    """Clusters that contribute to each ratio, `[k]`."""
    reasons: tuple[str | None, ...]
    """Why a ratio has no value."""

    @cached_property
    def values(self) -> FloatArray:
        """The ratios, `[k]`; meaningless where `reasons` says that there is none."""
        return np.asarray(self.numerators.sum(0) / self.totals)

    @cached_property
    def influences(self) -> FloatArray:
        """Linearised part of each group in each ratio's error, `[n_groups, k]`: (num_g - ratio * den_g) / sum den."""
        return (self.numerators - self.values * self.denominators) / self.totals

    @cached_property
    def resampled(self) -> FloatArray:
        """Each ratio in each resample, `[resamples, k]`; NaN where its denominator vanishes or changes sign."""
        numerators = self.weights.resample(self.numerators)
        denominators = self.weights.resample(self.denominators)
        smallest = ROUNDING * np.abs(self.denominators).sum(0)
        sound = denominators * np.sign(self.totals) > smallest
        return np.divide(numerators, denominators, out=np.full_like(numerators, np.nan), where=sound)

    def effective(self, *columns: int) -> int:
        """Independent units behind some ratios' spread: clusters that contribute, at most the number of groups."""
        return min(int(max(self.n[column] for column in columns)), self.weights.n_groups)

    def estimate(self, column: int) -> Estimate:
        """Value and interval of one ratio."""
        reason, n = self.reasons[column], int(self.n[column])
        if reason is not None:
            return Estimate(None, None, None, n, reason)
        value = float(self.values[column])
        if n < MIN_CLUSTERS:
            return Estimate(value, None, None, n, too_few(n))
        influences = self.influences[:, column]
        if is_constant(influences, self.spread_scale(column)):
            return Estimate(value, value, value, n)
        width = small_sample_width(n - 1, np.sqrt(n / (n - 1)))
        low, high, undefined = bca_interval(value, self.resampled[:, column], influences, width)
        return Estimate(value, low, high, n, undefined)

    def spread_scale(self, column: int) -> float:
        """Size of the terms that an influence is the difference of: what rounding errors are relative to."""
        value = abs(self.values[column])
        terms = np.abs(self.numerators[:, column]) + value * np.abs(self.denominators[:, column])
        return float(terms.max(initial=0.0) / abs(self.totals[column]))


def ratio_estimates(weights: ClusterWeights, ratios: Sequence[Ratio]) -> RatioBootstrap:
    """Bootstrap of several ratios over the items that `weights` was made for.

    A ratio without a value (no items, items that are not finite, a denominator of zero) stays in its column with
    the reason, so that columns keep their meaning.
    """
    empty = np.zeros((len(weights.member), 0))
    numerators = np.column_stack([empty, *(ratio.numerator for ratio in ratios)])
    denominators = np.column_stack([empty, *(ratio.denominator for ratio in ratios)])
    complement = np.array([ratio.complement for ratio in ratios], dtype=bool)
    numerators[:, complement] = denominators[:, complement] - numerators[:, complement]
    finite = np.isfinite(numerators) & np.isfinite(denominators)
    numerators, denominators = np.where(finite, numerators, 0.0), np.where(finite, denominators, 0.0)

    by_cluster = weights.cluster_sums(np.hstack([numerators, denominators]))
    k = len(ratios)
    contributes = (by_cluster[:, :k] != 0) | (by_cluster[:, k:] != 0)
    by_group = weights.group_sums(by_cluster)
    totals = by_group[:, k:].sum(0)
    vanishes = np.abs(totals) <= ROUNDING * np.abs(denominators).sum(0)
    reasons = tuple(_reason(finite[:, column], bool(vanishes[column])) for column in range(k))
    totals = np.where([reason is not None for reason in reasons], 1.0, totals) if k else totals
    return RatioBootstrap(weights, by_group[:, :k], by_group[:, k:], totals, contributes.sum(0), reasons)


def _reason(finite: np.ndarray[tuple[int], np.dtype[np.bool_]], vanishes: bool) -> str | None:
    if not len(finite):
        return "no items"
    if not finite.all():
        return f"{len(finite) - int(finite.sum())} of {len(finite)} items are not finite"
    return "the denominator is zero" if vanishes else None


def too_few(n: int) -> str:
    """The reason that stands beside an interval or test that was not computed."""
    return f"{n} {'cluster' if n == 1 else 'clusters'}: an interval needs at least {MIN_CLUSTERS}"


def is_constant(influences: FloatArray, scale: float) -> bool:
    """Whether nothing varies beyond rounding, so that the interval is the value alone."""
    return bool(np.abs(influences).max(initial=0.0) <= ROUNDING * scale)


def small_sample_width(degrees: float, inflation: float) -> float:
    """Half width of the interval in bootstrap standard errors: t quantile times the bootstrap's missing spread."""
    return float(special.stdtrit(degrees, 0.5 + LEVEL / 2) * inflation)


def bca_interval(
    value: float, resampled: FloatArray, influences: FloatArray, width: float
) -> tuple[float | None, float | None, str | None]:
    """(low, high, None), or (None, None, reason), of a statistic with these resampled values.

    Args:
        value: the statistic itself.
        resampled: its value in each resample, `[resamples]`; NaN where it has none.
        influences: its linearised parts, `[n_groups]`, for the acceleration (Efron 1987, eq. 6.6).
        width: half width in bootstrap standard errors, see `small_sample_width`.
    """
    known = np.sort(resampled[np.isfinite(resampled)])
    lost = 1 - len(known) / len(resampled)
    if lost > BAD_RESAMPLES:
        return None, None, f"the denominator vanishes or changes sign in {lost:.0%} of the resamples"
    slack = ROUNDING * float(np.abs(known[[0, -1]]).max())
    below = (np.searchsorted(known, value - slack, "left") + np.searchsorted(known, value + slack, "right")) / 2
    edge = 1 / (len(known) + 1)
    bias = special.ndtri(np.clip(below / len(known), edge, 1 - edge))
    scaled = influences / np.abs(influences).max()
    acceleration = np.sum(scaled**3) / (6 * np.sum(scaled**2) ** 1.5)
    ends = []
    for z in (bias - width, bias + width):
        stretch = 1 - acceleration * z
        probability = special.ndtr(bias + z / stretch) if stretch > 0 else float(z > 0)
        position = np.clip(probability * (len(known) + 1) - 1, 0, len(known) - 1)
        ends.append(float(np.interp(position, np.arange(len(known)), known)))
    return min(ends[0], value), max(ends[1], value), None
