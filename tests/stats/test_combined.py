"""Means, differences and shares of statistics that were resampled."""

import numpy as np
import pytest

from saebench.stats.bootstrap import Ratio, ratio_estimates
from saebench.stats.clusters import cluster_weights
from saebench.stats.combined import Sampled, all_pairs, difference, estimate, share_of_gap, weighted_sum
from saebench.stats.paired import paired_difference, unpaired_difference


def sampled(*columns, seed="a", resamples=2_000):
    """One statistic a column of cluster values, resampled together."""
    panel = panel_of(*columns, seed=seed, resamples=resamples)
    return [Sampled.of(panel, place) for place in range(len(columns))]


def panel_of(*columns, seed="a", resamples=2_000):
    n = len(columns[0])
    weights = cluster_weights([f"d{place:04}" for place in range(n)], resamples=resamples, seed=seed)
    return ratio_estimates(weights, [Ratio(np.asarray(column, dtype=float), np.ones(n)) for column in columns])


def test_one_statistic_keeps_its_interval():
    panel = panel_of(np.random.default_rng(0).exponential(size=40))
    one, own = estimate(Sampled.of(panel, 0)), panel.estimate(0)
    assert (one.value, one.n) == (own.value, own.n)
    assert (one.low, one.high) == pytest.approx((own.low, own.high))


def test_a_difference_over_shared_clusters_is_the_paired_one():
    rng = np.random.default_rng(1)
    shared, a, b = rng.normal(size=(3, 50))
    panel = panel_of(5 * shared + a, 5 * shared + b)
    found, expected = difference(*(Sampled.of(panel, place) for place in (0, 1))), paired_difference(panel, 0, 1)
    assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))
    assert found.detectable == pytest.approx(expected.detectable)
    assert found.p == pytest.approx(expected.p, abs=0.03)


def test_a_difference_over_clusters_of_their_own_is_the_unpaired_one():
    rng = np.random.default_rng(2)
    one, other = panel_of(rng.normal(0, 1, 20), seed="a"), panel_of(rng.normal(0.4, 3, 60), seed="b")
    found = difference(Sampled.of(one, 0), Sampled.of(other, 0))
    expected = unpaired_difference(one, 0, other, 0)
    assert found == expected


def test_all_pairs_agree_with_one_difference_at_a_time():
    rng = np.random.default_rng(3)
    columns = sampled(*rng.normal(size=(4, 30)), seed="a") + sampled(*rng.normal(0.5, 2, size=(2, 25)), seed="b")
    mixed = weighted_sum([(0.5, columns[0]), (0.5, columns[4])])
    twin = weighted_sum([(1.0, columns[1]), (1e-9, columns[2])])
    columns = [*columns, mixed, twin]
    tests = all_pairs(columns)
    for a, first in enumerate(columns):
        for b, second in enumerate(columns[:a]):
            found = difference(first, second)
            assert tests.p[a, b] == tests.p[b, a] == pytest.approx(found.p, rel=1e-5)
            assert 2.80 * tests.errors[a, b] == pytest.approx(found.detectable, rel=1e-5)


def test_a_share_of_a_gap_turns_round_with_its_ends():
    a, b, c = sampled(*np.random.default_rng(4).normal(0, 0.1, (3, 40)) + np.array([[0.5], [0.0], [1.0]]))
    up, down = estimate(share_of_gap(a, b, c)), estimate(share_of_gap(a, c, b))
    assert (up.value, up.low, up.high) == pytest.approx((1 - down.value, 1 - down.high, 1 - down.low))


def test_what_never_varies_is_told_apart_by_the_number_of_its_clusters():
    zero, one, again = sampled(np.zeros(12), np.ones(12), np.ones(12))
    assert (difference(one, zero).low, difference(one, zero).high) == (1, 1)
    assert difference(one, zero).p == 2 / 2**12
    assert difference(one, again).p == 1


def test_intervals_of_a_mean_over_two_tasks_cover_and_tests_keep_their_level():
    """Two tasks of 20 and 40 skewed clusters; random control, subject and oracle of each share their clusters."""
    rng = np.random.default_rng(5)
    trials, covered, alarms = 600, 0, 0
    for _ in range(trials):
        terms = []
        for size, seed in ((20, "a"), (40, "b")):
            ease = rng.exponential(0.2, size)
            noise = rng.normal(0, 0.1, (2, size))
            columns = sampled(
                0.5 + ease + noise[0], 0.5 + ease + noise[1], ease, np.full(size, 1.5), seed=seed, resamples=500
            )
            terms.append([share_of_gap(columns[place], columns[2], columns[3]) for place in (0, 1)])
        first, second = (weighted_sum([(0.5, terms[0][place]), (0.5, terms[1][place])]) for place in (0, 1))
        found = estimate(first)
        true = 0.5 / (1.5 - 0.2)
        covered += found.low <= true <= found.high
        alarms += difference(first, second).p < 0.05
    assert covered / trials == pytest.approx(0.95, abs=0.03)
    assert alarms / trials == pytest.approx(0.05, abs=0.025)
