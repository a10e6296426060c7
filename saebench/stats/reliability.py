"""How repeatable a score is: spread over seeds, smallest reliable difference, signal over noise, rank agreement.

Scores are `[subjects, seeds]`, complete: a subject that lacks a seed is left out beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Noise:
    """Mean squares of a table of subjects by seeds without repeats (two-way analysis of variance).

    A score is subject + seed + rest: what all subjects share of a seed (its texts are hard), and what is one subject's.
    """

    subjects: int
    seeds: int
    of_seeds: float
    """Mean square of seeds, `seeds - 1` degrees of freedom; expected: rest + subjects * variance of the shared part."""
    of_rest: float
    """Mean square of what is left, `(subjects - 1) (seeds - 1)` degrees of freedom; 0 for one subject."""

    @classmethod
    def of(cls, scores: FloatArray) -> Noise:
        """Of scores `[subjects, seeds]`; squares that are rounding are 0."""
        subjects, seeds = scores.shape
        by_seed = scores.mean(0) - scores.mean()
        rest = scores - scores.mean(1, keepdims=True) - by_seed
        smallest = ROUNDED * float(np.abs(scores).max(initial=0.0))
        squares = [float(np.sum(np.where(np.abs(part) > smallest, part, 0.0) ** 2)) for part in (by_seed, rest)]
        free = max(1, seeds - 1)
        left = squares[1] / ((subjects - 1) * free) if subjects > 1 else 0.0
        return cls(subjects, seeds, subjects * squares[0] / free, left)


def spread(variance: float, degrees: float) -> Quantity:
    """A standard deviation with the chi-square interval of its degrees of freedom."""
    if degrees < 1:
        return Quantity(None, undefined="a spread needs at least two seeds")
    upper, lower = (float(distributions.chi2.ppf(tail, degrees)) for tail in (0.5 + LEVEL / 2, 0.5 - LEVEL / 2))
    low, value, high = (math.sqrt(variance * factor) for factor in (degrees / upper, 1.0, degrees / lower))
    return Quantity(value, low, high, round(degrees))


def reseed_sd(scores: FloatArray) -> Quantity:
    """Standard deviation of one subject over seeds, pooled over subjects.

    Its variance is seeds / I + (I - 1) / I rest, in mean squares of I subjects. Subjects share their seeds and are not
    independent: the degrees of freedom are Satterthwaite's (Biometrics 1946), `seeds - 1` where all noise is shared.
    """
    noise = Noise.of(scores)
    if noise.seeds < 2:
        return spread(0.0, 0)
    shared, own = noise.of_seeds / noise.subjects, noise.of_rest * (noise.subjects - 1) / noise.subjects
    free = noise.seeds - 1
    parts = shared**2 / free + (own**2 / ((noise.subjects - 1) * free) if own else 0.0)
    return spread(shared + own, (shared + own) ** 2 / parts if parts else free)


def paired_sd(scores: FloatArray) -> Quantity:
    """Standard deviation over seeds of the difference of two subjects scored with the same seed, over all pairs.

    Twice the variance of the rest: what all subjects share of a seed drops out.
    """
    noise = Noise.of(scores)
    if noise.subjects < 2:
        return Quantity(None, undefined="a difference needs at least two subjects")
    return scaled(spread(noise.of_rest, (noise.subjects - 1) * (noise.seeds - 1)), math.sqrt(2))


def coefficient_of_variation(scores: FloatArray) -> Quantity:
    """`reseed_sd` over the size of the grand mean."""
    mean = abs(float(scores.mean()))
    noise = reseed_sd(scores)
    if mean == 0:
        return Quantity(None, n=noise.n, undefined="the mean over subjects is zero")
    return scaled(noise, 1 / mean)


def signal_to_noise(scores: FloatArray) -> Quantity:
    """Spread of the subjects' true scores over the noise of a score that subjects of one seed do not share.

    sqrt(variance of means - rest / seeds) / sqrt(rest), at least 0: scores are compared under the same seed.
    """
    noise = Noise.of(scores)
    if noise.subjects < 2 or noise.seeds < 2:
        said = f"{noise.subjects} trained subjects and {noise.seeds} seeds: two of each needed"
        return Quantity(None, n=noise.subjects, undefined=said)
    if noise.of_rest == 0:
        return Quantity(None, n=noise.subjects, undefined="differences do not depend on the seed")
    signal = max(0.0, float(scores.mean(1).var(ddof=1)) - noise.of_rest / noise.seeds)
    return Quantity(math.sqrt(signal / noise.of_rest), n=noise.subjects)


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
    limit, means = max(1.96 * noise.value, ROUNDED * float(np.abs(scores).max())), scores.mean(1)
    return share([abs(means[a] - means[b]) > limit for a, b in combinations(range(len(means)), 2)], "one subject")


def spearman(x: FloatArray, y: FloatArray) -> Quantity:
    """Rank correlation with the interval of Bonett and Wright (Psychometrika 2000).

    In Fisher's z: atanh(r) -+ 1.96 sqrt((1 + r^2 / 2) / (n - 3)); |r| = 1 counts as half an exchange less.
    """
    n = len(x)
    if n < MIN_RANKED:
        return Quantity(None, n=n, undefined=f"{n} subjects: a rank correlation needs at least {MIN_RANKED}")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return Quantity(None, n=n, undefined="one of the two scores is the same for all subjects")
    rho = float(distributions.spearmanr(x, y).statistic)
    most = 1 - 6 / (n * (n**2 - 1))
    bounded = float(np.clip(rho, -most, most))
    half = float(special.ndtri(0.5 + LEVEL / 2)) * math.sqrt((1 + bounded**2 / 2) / (n - 3))
    ends: list[float] = [math.tanh(math.atanh(bounded) + sign * half) for sign in (-1, 1)]
    return Quantity(rho, min(rho, ends[0]), max(rho, ends[1]), n=n)


def longer_is_better(means: Sequence[float], lengths: Sequence[int | None], families: Sequence[str]) -> Quantity:
    """Share of pairs of one family, of different training length, in which the longer one has the larger mean.

    Pairs of equal means say nothing and are left out.
    """
    outcomes = []
    for a, b in combinations(range(len(means)), 2):
        first, second = lengths[a], lengths[b]
        if families[a] != families[b] or first is None or second is None or first == second or means[a] == means[b]:
            continue
        outcomes.append((means[a] > means[b]) == (first > second))
    return share(outcomes, "no two subjects differ in training length alone and in score")
