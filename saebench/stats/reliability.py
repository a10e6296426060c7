"""How repeatable a score is: spread over seeds, smallest reliable difference, signal over noise, rank agreement.

Scores are `[subjects, seeds]`, complete: a subject that lacks a seed is left out beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
from scipy import special
from scipy import stats as distributions

from saebench.stats.bootstrap import LEVEL
from saebench.stats.clusters import FloatArray
from saebench.stats.quantity import Quantity

SINGLE_SEED = 1.96 * math.sqrt(2)
"""Two independent scores differ reliably (5 %) when they are so many standard deviations apart: 2.77."""
ROUNDED = 1e-9
"""A spread that is smaller than this share of the scores is rounding."""
MIN_RANKED = 5
"""With fewer subjects a rank correlation has no interval worth its name."""


def scaled(quantity: Quantity, factor: float) -> Quantity:
    """A quantity and its interval times a positive factor."""
    value, low, high = (None if one is None else factor * one for one in (quantity.value, quantity.low, quantity.high))
    return Quantity(value, low, high, quantity.n, quantity.undefined)


def spread(deviations: FloatArray, degrees: int) -> Quantity:
    """Standard deviation from deviations that have `degrees` of freedom, with the chi-square interval."""
    if degrees < 1:
        return Quantity(None, undefined="a spread needs at least two seeds")
    total = float(np.sum(deviations**2))
    upper, lower = (float(distributions.chi2.ppf(tail, degrees)) for tail in (0.5 + LEVEL / 2, 0.5 - LEVEL / 2))
    return Quantity(math.sqrt(total / degrees), math.sqrt(total / upper), math.sqrt(total / lower), degrees)


def reseed_sd(scores: FloatArray) -> Quantity:
    """Standard deviation of one subject over seeds, pooled over subjects."""
    subjects, seeds = scores.shape
    return spread(scores - scores.mean(1, keepdims=True), subjects * (seeds - 1))


def paired_sd(scores: FloatArray) -> Quantity:
    """Standard deviation over seeds of the difference of two subjects scored with the same seed, over all pairs.

    Twice the variance of subject-by-seed residuals: what all subjects share of a seed drops out.
    """
    subjects, seeds = scores.shape
    if subjects < 2:
        return Quantity(None, undefined="a difference needs at least two subjects")
    residuals = scores - scores.mean(1, keepdims=True) - scores.mean(0, keepdims=True) + scores.mean()
    return scaled(spread(residuals, (subjects - 1) * (seeds - 1)), math.sqrt(2))


def coefficient_of_variation(scores: FloatArray) -> Quantity:
    """`reseed_sd` over the size of the grand mean."""
    mean = abs(float(scores.mean()))
    noise = reseed_sd(scores)
    if mean == 0:
        return Quantity(None, n=noise.n, undefined="the mean over subjects is zero")
    return scaled(noise, 1 / mean)


def signal_to_noise(scores: FloatArray) -> Quantity:
    """Spread of the subjects' true scores over `reseed_sd`: sqrt(var of means - noise / seeds) / noise, at least 0."""
    subjects, seeds = scores.shape
    noise = reseed_sd(scores).value
    if subjects < 2 or noise is None:
        return Quantity(
            None, n=subjects, undefined=f"{subjects} trained subjects and {seeds} seeds: two of each needed"
        )
    if noise <= ROUNDED * float(np.abs(scores).max()):
        return Quantity(None, n=subjects, undefined="the score does not depend on the seed")
    signal = max(0.0, float(scores.mean(1).var(ddof=1)) - noise**2 / seeds)
    return Quantity(math.sqrt(signal) / noise, n=subjects)


def share(outcomes: Sequence[bool], lacking: str) -> Quantity:
    """Share of outcomes that are true."""
    if not outcomes:
        return Quantity(None, undefined=lacking)
    return Quantity(sum(outcomes) / len(outcomes), n=len(outcomes))


def separated(scores: FloatArray) -> Quantity:
    """Share of pairs of subjects whose mean difference exceeds 1.96 `paired_sd`: that of a single seed's scores."""
    noise = paired_sd(scores)
    if noise.value is None:
        return Quantity(None, undefined=noise.undefined)
    limit, means = 1.96 * noise.value, scores.mean(1)
    return share([abs(means[a] - means[b]) > limit for a, b in combinations(range(len(means)), 2)], "one subject")


def spearman(x: FloatArray, y: FloatArray) -> Quantity:
    """Rank correlation with the interval of Bonett and Wright (Psychometrika 2000).

    In Fisher's z: atanh(r) -+ 1.96 sqrt((1 + r^2 / 2) / (n - 3)).
    """
    n = len(x)
    if n < MIN_RANKED:
        return Quantity(None, n=n, undefined=f"{n} subjects: a rank correlation needs at least {MIN_RANKED}")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return Quantity(None, n=n, undefined="one of the two scores is the same for all subjects")
    rho = float(distributions.spearmanr(x, y).statistic)
    bounded = float(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
    half = float(special.ndtri(0.5 + LEVEL / 2)) * math.sqrt((1 + bounded**2 / 2) / (n - 3))
    ends: list[float] = [math.tanh(math.atanh(bounded) + sign * half) for sign in (-1, 1)]
    return Quantity(rho, min(rho, ends[0]), max(rho, ends[1]), n=n)


def longer_is_better(
    means: Sequence[float],
    lengths: Sequence[int | None],
    families: Sequence[str],
    better: Callable[[float, float], bool],
) -> Quantity:
    """Share of pairs of one family, of different training length, in which the longer one is better."""
    outcomes = []
    for a, b in combinations(range(len(means)), 2):
        first, second = lengths[a], lengths[b]
        if families[a] != families[b] or first is None or second is None or first == second:
            continue
        outcomes.append(better(means[a], means[b]) if first > second else better(means[b], means[a]))
    return share(outcomes, "no two subjects differ in training length alone")
