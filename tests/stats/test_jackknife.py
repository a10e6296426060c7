"""The jackknife over pairs against Student's interval, Welch's test and simulation."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from saebench.stats import Ratio, jackknife_difference, ratio_jackknife


def pairs_of(values, kernel):
    """First and second cluster of every pair of values, and the kernel of each pair as a ratio over a count."""
    couples = list(combinations(range(len(values)), 2))
    numerator = np.array([kernel(values[a], values[b]) for a, b in couples])
    first, second = [f"s{a}" for a, _ in couples], [f"s{b}" for _, b in couples]
    return ratio_jackknife(first, second, [Ratio(numerator, np.ones(len(couples)))])


def mean_of(a, b):
    return (a + b) / 2


def test_means_over_pairs_have_students_interval_of_the_seeds():
    values = np.random.default_rng(0).normal(size=6)
    estimate = pairs_of(values, mean_of).estimate(0)
    expected = stats.t.interval(0.95, 5, values.mean(), values.std(ddof=1) / np.sqrt(6))
    assert estimate.value == pytest.approx(values.mean())
    assert (estimate.low, estimate.high) == pytest.approx(expected)


def test_the_difference_of_means_over_pairs_is_welchs():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=5), rng.normal(1, 3, size=8)
    difference = jackknife_difference(pairs_of(a, mean_of), pairs_of(b, mean_of))
    expected = stats.ttest_ind(a, b, equal_var=False)
    assert difference.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert (difference.low, difference.high) == pytest.approx((interval.low, interval.high))


def test_the_interval_covers_a_products_mean_at_least_as_often_as_it_says():
    """Five seeds, kernel x_a * x_b with mean 1: a pair-wise normal interval would cover far less."""
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(1000):
        estimate = pairs_of(rng.normal(1, 0.3, size=5), lambda a, b: a * b).estimate(0)
        hits += estimate.low <= 1 <= estimate.high
    assert hits / 1000 > 0.93


def test_two_seeds_have_a_value_and_no_interval():
    estimate = pairs_of(np.array([1.0, 3.0]), mean_of).estimate(0)
    assert (estimate.value, estimate.low, estimate.n) == (2.0, None, 2)
    assert estimate.undefined == "2 clusters: a jackknife over pairs needs 3"


def test_equal_pairs_have_an_interval_of_no_width():
    estimate = pairs_of(np.ones(4) * 0.1, mean_of).estimate(0)
    assert estimate.low == estimate.value == estimate.high


def test_a_ratio_that_dies_without_one_seed_says_so():
    """Only pairs of seed 0 have a denominator."""
    first, second = ["s0", "s0", "s1"], ["s1", "s2", "s2"]
    ratio = Ratio(np.array([1.0, 2.0, 0.0]), np.array([1.0, 1.0, 0.0]))
    estimate = ratio_jackknife(first, second, [ratio]).estimate(0)
    assert estimate.value == 1.5
    assert estimate.low is None
    assert "1 of 3 clusters cannot be left out" in estimate.undefined
