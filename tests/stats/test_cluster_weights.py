"""Resampling weights."""

import numpy as np
import pytest

from saebench.stats.clusters import MAX_GROUPS, cluster_weights


def test_a_resample_draws_as_many_clusters_as_there_are():
    weights = cluster_weights([f"d{i}" for i in range(37)], resamples=500, seed=0)
    draws = weights.resample(np.ones((37, 1)))
    np.testing.assert_array_equal(draws, 37)


def test_counts_are_multinomial():
    n, resamples = 40, 20_000
    weights = cluster_weights([f"d{i:02}" for i in range(n)], resamples=resamples, seed="x")
    counts = weights.resample(np.eye(n))
    # Mean 1, variance 1 - 1/n, covariance -1/n; standard errors from `resamples` draws.
    np.testing.assert_allclose(counts.mean(0), 1, atol=5 / np.sqrt(resamples))
    covariance = np.cov(counts.T)
    np.testing.assert_allclose(np.diag(covariance), 1 - 1 / n, atol=0.07)
    np.testing.assert_allclose(covariance[0, 1:].mean(), -1 / n, atol=0.01)


def test_signs_are_fair_and_independent():
    weights = cluster_weights([f"d{i:02}" for i in range(30)], resamples=20_000, seed="x")
    signs = weights.flip_signs(np.eye(30))
    assert set(np.unique(signs)) == {-1.0, 1.0}
    gram = signs.T @ signs / len(signs)
    np.testing.assert_allclose(gram, np.eye(30), atol=0.04)


def test_order_of_items_does_not_matter_and_names_of_clusters_do_not_move_the_draws():
    values = np.arange(60.0)[:, None]
    clusters = [f"d{i // 3:02}" for i in range(60)]
    there = cluster_weights(clusters, resamples=200, seed=3)
    back = cluster_weights(clusters[::-1], resamples=200, seed=3)
    sums = there.cluster_sums(values)
    np.testing.assert_array_equal(sums, back.cluster_sums(values[::-1]))
    np.testing.assert_array_equal(there.resample(sums), back.resample(sums))


def test_another_seed_gives_another_resampling():
    clusters = [f"d{i}" for i in range(20)]
    values = np.arange(20.0)[:, None]
    one, two = (cluster_weights(clusters, resamples=50, seed=seed).resample(values) for seed in (0, 1))
    assert not np.array_equal(one, two)


def test_many_clusters_are_grouped_without_changing_the_variance():
    rng = np.random.default_rng(0)
    n = 5_000
    values = rng.exponential(size=(n, 1))
    weights = cluster_weights([f"{i:04}" for i in range(n)], resamples=2_000, seed=0)
    assert weights.n_groups == MAX_GROUPS
    sizes = np.bincount(weights.group)
    assert sizes.max() - sizes.min() == 1
    totals = weights.resample(weights.group_sums(np.hstack([values, np.ones((n, 1))])))
    spread = np.std(totals[:, 0] / totals[:, 1])
    # Error of a standard deviation: 1.6 % from 2,000 groups, 1.6 % from 2,000 resamples.
    assert spread == pytest.approx(values.std() / np.sqrt(n), rel=0.08)
