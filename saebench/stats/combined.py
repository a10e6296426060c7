"""Means, differences and shares of statistics that were resampled: what an aggregate over tasks is made of.

A statistic carries its value in every resample and its linearised parts, by the resampling that they come from. Two
statistics over the same clusters share a resampling, so that what they have in common cancels or adds up as it does in
the data; others are independent. Intervals are BCa at the small-sample width of `saebench.stats.bootstrap`; tests are
t-tests on the linearised parts, with the degrees of freedom of Welch and Satterthwaite (delta method).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from saebench.stats.bootstrap import (
    MIN_CLUSTERS,
    ROUNDING,
    Estimate,
    RatioBootstrap,
    bca_interval,
    is_constant,
    small_sample_width,
    too_few,
)
from saebench.stats.clusters import FloatArray
from saebench.stats.paired import POWER_FACTOR, Difference, Welch, welch_of_errors

CANCELLED = 1e-6
"""A variance of a difference that is smaller than this share of its sides' is computed from the difference itself."""


@dataclass(frozen=True, eq=False)
class Sampled:
    """A defined number with what is needed to combine it with others."""

    value: float
    resampled: FloatArray
    """Its value in each resample, `[resamples]`; NaN where it has none."""
    influences: Mapping[str, FloatArray]
    """Linearised parts, `[n_groups]`, by the seed of the resampling weights."""
    units: Mapping[str, int]
    """Independent clusters behind each resampling."""
    scale: float
    """Size of the terms that it is made of: what rounding errors are relative to."""

    @classmethod
    def of(cls, bootstrap: RatioBootstrap, column: int) -> Sampled:
        """One ratio that has a value."""
        seed = bootstrap.weights.seed
        return cls(
            float(bootstrap.values[column]),
            bootstrap.resampled[:, column],
            {seed: bootstrap.influences[:, column]},
            {seed: bootstrap.effective(column)},
            bootstrap.spread_scale(column),
        )


def weighted_sum(terms: Sequence[tuple[float, Sampled]]) -> Sampled:
    """sum_i weight_i * statistic_i, in every resample."""
    influences: dict[str, FloatArray] = {}
    units: dict[str, int] = {}
    for weight, one in terms:
        for seed, parts in one.influences.items():
            influences[seed] = influences[seed] + weight * parts if seed in influences else weight * parts
            units[seed] = max(units.get(seed, 0), one.units[seed])
    return Sampled(
        sum(weight * one.value for weight, one in terms),
        np.sum([weight * one.resampled for weight, one in terms], axis=0),
        influences,
        units,
        sum(abs(weight) * one.scale for weight, one in terms),
    )


def share_of_gap(value: Sampled, bottom: Sampled, top: Sampled) -> Sampled:
    """(value - bottom) / (top - bottom): 0 at the one, 1 at the other; a resample where the gap turns round is lost.

    Its linearised parts follow from d s = (d value - (1 - s) d bottom - s d top) / gap.

    Raises:
        ZeroDivisionError: top and bottom are equal.
    """
    gap = top.value - bottom.value
    share = (value.value - bottom.value) / gap
    linear = weighted_sum([(1 / gap, value), (-(1 - share) / gap, bottom), (-share / gap, top)])
    gaps = top.resampled - bottom.resampled
    resampled = np.divide(
        value.resampled - bottom.resampled, gaps, out=np.full_like(gaps, np.nan), where=gaps * np.sign(gap) > 0
    )
    return Sampled(share, resampled, linear.influences, linear.units, linear.scale)


def estimate(one: Sampled) -> Estimate:
    """Value and interval; `n` is the smallest number of clusters of any resampling behind it."""
    n = min(one.units.values())
    if n < MIN_CLUSTERS:
        return Estimate(one.value, None, None, n, too_few(n))
    parts = np.concatenate(list(one.influences.values()))
    if is_constant(parts, one.scale):
        return Estimate(one.value, one.value, one.value, n)
    test = against_zero(one)
    width = small_sample_width(test.degrees, test.error / math.sqrt(float(np.sum(parts**2))))
    low, high, undefined = bca_interval(one.value, one.resampled, parts, width)
    return Estimate(one.value, low, high, n, undefined)


def difference(a: Sampled, b: Sampled) -> Difference:
    """a - b with interval and test."""
    gap = weighted_sum([(1.0, a), (-1.0, b)])
    found = estimate(gap)
    if found.n < MIN_CLUSTERS:
        return Difference(gap.value, None, None, found.n, None, None, found.undefined)
    test = against_zero(gap)
    return Difference(gap.value, found.low, found.high, found.n, test.p, POWER_FACTOR * test.error, found.undefined)


@dataclass(frozen=True, eq=False)
class Tests:
    """All pairs of k statistics; untestable ones must be left out beforehand."""

    errors: FloatArray
    """Standard error of each difference, `[k, k]`."""
    p: FloatArray
    """Two-sided p, `[k, k]`."""


def all_pairs(columns: Sequence[Sampled]) -> Tests:
    """The tests of all differences, from the products of linearised parts: one matrix product a resampling."""
    k = len(columns)
    values = np.array([one.value for one in columns])
    variance, squares = np.zeros((k, k)), np.zeros((k, k))
    sizes = np.zeros(k)
    for seed in dict.fromkeys(seed for one in columns for seed in one.influences):
        held = [place for place, one in enumerate(columns) if seed in one.influences]
        parts = np.zeros((len(columns[held[0]].influences[seed]), k))
        parts[:, held] = np.column_stack([columns[place].influences[seed] for place in held])
        n = max(columns[place].units[seed] for place in held)
        products = parts.T @ parts
        own = np.diag(products)
        gaps = n / (n - 1) * np.maximum(0.0, own[:, None] + own[None, :] - 2 * products)
        variance += gaps
        squares += gaps**2 / (n - 1)
        sizes += own
    degrees = np.divide(variance**2, squares, out=np.full((k, k), np.inf), where=squares > 0)
    errors = np.sqrt(variance)
    t = np.divide(-np.abs(values[:, None] - values[None, :]), errors, out=np.zeros((k, k)), where=errors > 0)
    p = 2 * special.stdtr(degrees, t)
    cancelled = variance <= CANCELLED * (sizes[:, None] + sizes[None, :])
    for a, b in zip(*np.nonzero(np.triu(cancelled, 1)), strict=True):
        test = against_zero(weighted_sum([(1.0, columns[a]), (-1.0, columns[b])]))
        errors[a, b] = errors[b, a] = test.error
        p[a, b] = p[b, a] = test.p
    return Tests(errors, p)


def against_zero(one: Sampled) -> Welch:
    """The test of a statistic; what is the same in every cluster gets the sign-flip p of its clusters, 2 of 2^n."""
    units = list(one.units.values())
    if is_constant(np.concatenate(list(one.influences.values())), one.scale):
        nothing = abs(one.value) <= ROUNDING * one.scale * sum(units)
        return Welch(0.0, math.inf, 1.0 if nothing else 2.0 ** (1 - sum(units)))
    errors = [
        math.sqrt(n / (n - 1) * float(np.sum(parts**2)))
        for parts, n in zip(one.influences.values(), units, strict=True)
    ]
    return welch_of_errors(one.value, errors, units)
