"""What counts as a change: chance, size, direction and the size of the family."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from saebench.nightly.decision import can_show, moved, smallest_detectable
from saebench.stats import Ratio, cluster_weights, paired_p_values, ratio_estimates


def test_a_change_needs_size_and_significance_and_has_a_direction():
    gains = [-0.05, -0.05, -0.01, 0.05, 0.0]
    p_values = [1e-4, 0.4, 1e-4, 1e-4, 1.0]
    assert moved(gains, p_values, [0.02] * 5) == [-1, 0, 0, 1, 0]


def test_what_is_significant_alone_is_not_in_a_family():
    assert moved([-1.0], [0.04], [0.1]) == [-1]
    assert moved([-1.0, 0.0], [0.04, 0.9], [0.1, 0.1]) == [0, 0]


def test_an_empty_family_says_nothing():
    assert moved([], [], []) == []


@pytest.mark.parametrize("tests", [1, 10, 48])
def test_a_true_change_of_the_smallest_detectable_size_is_found_in_four_of_five_nights(tests):
    """Textbook power of a normal test at 5 % / tests, simulated: no margin, then a margin that dominates."""
    error = 0.01
    draws = np.random.default_rng(0).normal(size=200_000) * error
    single = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * error
    for margin in (0.0, 0.5):
        true = smallest_detectable(single, margin, tests, clusters=10**9)
        seen = true + draws
        critical = stats.norm.ppf(1 - 0.05 / (2 * tests)) * error
        assert np.mean((seen > critical) & (seen > margin)) == pytest.approx(0.8, abs=0.005)


@pytest.mark.parametrize("clusters", [10, 12, 16, 40])
@pytest.mark.parametrize("tests", [1, 20, 100, 5000])
def test_what_is_called_testable_reaches_significance_and_what_is_not_hardly_can(clusters, tests):
    """All clusters changed by the same: no data can speak more clearly."""
    ones = np.ones(clusters)
    weights = cluster_weights([str(number) for number in range(clusters)], seed="x")
    p = paired_p_values(ratio_estimates(weights, [Ratio(0.5 * ones, ones), Ratio(ones, ones)]))[0, 1]
    if can_show(clusters, tests):
        assert p * tests < 0.05
    else:
        assert 2.5 * p * tests > 0.05


@pytest.mark.parametrize("clusters", [20, 32])
def test_the_smallest_detectable_change_holds_for_few_clusters(clusters):
    """Nights of normal items with a true change of that size, through the sign-flip test itself."""
    nights, tests, ones = 300, 70, np.ones(clusters)
    true = smallest_detectable(2.80 / np.sqrt(clusters), 0.0, tests, clusters)
    items = np.random.default_rng(3).normal(true, 1.0, (clusters, nights))
    weights = cluster_weights([str(number) for number in range(clusters)], seed="x")
    panel = ratio_estimates(weights, [Ratio(0 * ones, ones), *(Ratio(night, ones) for night in items.T)])
    p_values = paired_p_values(panel, [(0, column + 1) for column in range(nights)])
    seen = np.mean([p * tests < 0.05 for p in p_values.values()])
    assert seen == pytest.approx(0.8, abs=0.06)
