"""Ratios and their intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from saebench.stats.bootstrap import Ratio, ratio_estimates
from saebench.stats.clusters import cluster_weights


def names(n: int) -> list[str]:
    return [f"d{i:05}" for i in range(n)]


def one(numerator, denominator=None, clusters=None, complement=False, resamples=2_000):
    numerator = np.asarray(numerator, dtype=float)
    denominator = np.ones(len(numerator)) if denominator is None else np.asarray(denominator, dtype=float)
    weights = cluster_weights(names(len(numerator)) if clusters is None else clusters, resamples=resamples, seed=0)
    return ratio_estimates(weights, [Ratio(numerator, denominator, complement)]).estimate(0)


def coverage(draw, truth: float, n: int, trials: int) -> float:
    weights = cluster_weights(names(n), resamples=2_000, seed=0)
    panel = ratio_estimates(weights, [Ratio(draw(n), np.ones(n)) for _ in range(trials)])
    hits = 0
    for column in range(trials):
        estimate = panel.estimate(column)
        hits += estimate.low <= truth <= estimate.high
    return hits / trials


@pytest.mark.parametrize(("n", "least"), [(10, 0.89), (20, 0.91), (60, 0.92), (100, 0.92)])
def test_coverage_of_the_mean_of_a_skewed_variable(n, least):
    rng = np.random.default_rng(n)
    # 1,500 trials: standard error 0.6 points. The exponential has skewness 2.
    assert least <= coverage(lambda size: rng.exponential(size=size), 1.0, n, 1_500) <= 0.97


@pytest.mark.parametrize("n", [10, 60])
def test_coverage_of_the_mean_of_a_normal_variable(n):
    rng = np.random.default_rng(n)
    assert 0.925 <= coverage(lambda size: rng.normal(size=size), 0.0, n, 1_000) <= 0.97


def test_coverage_of_a_ratio_with_clusters():
    """40 documents of 1 to 12 tokens that share a document effect: ignoring documents would cover far less."""
    rng = np.random.default_rng(5)
    n, trials, truth, naive, clustered = 40, 400, 2.0, 0, 0
    for _ in range(trials):
        length = rng.integers(1, 13, n)
        document = np.repeat(np.arange(n), length)
        effect = np.repeat(rng.normal(size=n), length)
        weight = rng.uniform(0.5, 1.5, len(document))
        score = weight * (truth + effect + 0.3 * rng.normal(size=len(document)))
        estimate = one(score, weight, [f"d{i}" for i in document], resamples=1_000)
        clustered += estimate.low <= truth <= estimate.high
        spread = 1.96 * np.std(score - estimate.value * weight) / np.sqrt(len(document)) / weight.mean()
        naive += abs(estimate.value - truth) <= spread
    assert 0.91 <= clustered / trials <= 0.98
    assert naive / trials < 0.75


def test_agrees_with_scipy_where_the_small_sample_correction_vanishes():
    values = np.random.default_rng(1).lognormal(size=1_500)
    ours = one(values, resamples=10_000)
    theirs = stats.bootstrap((values,), np.mean, method="BCa", n_resamples=10_000, rng=np.random.default_rng(2))
    interval = theirs.confidence_interval
    width = interval.high - interval.low
    assert ours.low == pytest.approx(interval.low, abs=0.04 * width)
    assert ours.high == pytest.approx(interval.high, abs=0.04 * width)


def test_value_is_the_ratio_of_sums_and_the_complement_mirrors_it():
    top, base = [1.0, 2.0, 3.0] * 5, [2.0, 2.0, 8.0] * 5
    plain, mirrored = one(top, base), one(top, base, complement=True)
    assert plain.value == pytest.approx(0.5)
    assert mirrored.value == pytest.approx(0.5)
    assert mirrored.low == pytest.approx(1 - plain.high, abs=0.03)
    assert mirrored.high == pytest.approx(1 - plain.low, abs=0.03)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(-1e3, 1e3), min_size=10, max_size=30),
    st.floats(1e-3, 1e3),
    st.randoms(use_true_random=False),
)
def test_interval_holds_the_value_scales_with_it_and_ignores_order(values, factor, random):
    plain = one(values, resamples=300)
    assert plain.low <= plain.value <= plain.high
    scaled = one(np.asarray(values) * factor, resamples=300)
    size = factor * (1e-9 + max(map(abs, values)))
    assert scaled.low == pytest.approx(plain.low * factor, abs=1e-9 * size)
    assert scaled.high == pytest.approx(plain.high * factor, abs=1e-9 * size)
    order = list(range(len(values)))
    random.shuffle(order)
    clusters = names(len(values))
    moved = one([values[i] for i in order], clusters=[clusters[i] for i in order], resamples=300)
    assert (moved.low, moved.high) == pytest.approx((plain.low, plain.high), abs=1e-9 * size)


def test_equal_clusters_give_an_interval_of_one_point():
    estimate = one(0.1 * np.arange(1, 31), np.arange(1, 31))
    assert (estimate.low, estimate.high) == (estimate.value, estimate.value)
    assert estimate.value == pytest.approx(0.1)


def test_fewer_than_ten_clusters_have_a_value_and_no_interval():
    estimate = one([1.0, 2.0, 3.0], clusters=["a", "a", "b"])
    assert estimate.value == pytest.approx(2)
    assert estimate.low is None
    assert estimate.high is None
    assert estimate.n == 2
    assert "2 clusters" in estimate.undefined


def test_clusters_that_add_nothing_are_not_counted():
    estimate = one([1.0] * 9 + [0.0] * 50, [2.0] * 9 + [0.0] * 50)
    assert estimate.value == 0.5
    assert estimate.n == 9
    assert estimate.low is None


@pytest.mark.parametrize(
    ("numerator", "denominator", "reason"),
    [
        ([1.0] * 20, [0.0] * 20, "denominator is zero"),
        ([1.0] * 20, [1.0, -1.0] * 10, "denominator is zero"),
        ([1.0] * 19 + [np.nan], [1.0] * 20, "1 of 20 items are not finite"),
        ([1.0] * 20, [1.0] * 18 + [np.inf] * 2, "2 of 20 items are not finite"),
        ([], [], "no items"),
    ],
)
def test_what_has_no_value_says_why(numerator, denominator, reason):
    estimate = one(numerator, denominator)
    assert (estimate.value, estimate.low, estimate.high) == (None, None, None)
    assert reason in estimate.undefined


def test_a_denominator_that_often_vanishes_leaves_the_interval_undefined():
    """One cluster of 20 carries the denominator: it is missing from (1 - 1/20)^20 = 36 % of the resamples."""
    estimate = one(np.ones(20), [1.0] + [0.0] * 19)
    assert estimate.value == 20
    assert estimate.low is None
    assert "36" in estimate.undefined or "35" in estimate.undefined or "37" in estimate.undefined


def test_a_denominator_that_rarely_vanishes_is_left_out_of_the_interval():
    """Five of 20 clusters carry it: all are missing from 0.75^20 = 0.3 % of the resamples."""
    estimate = one(np.ones(20), [1.0] * 5 + [0.0] * 15)
    assert estimate.value == 4
    assert np.isfinite([estimate.low, estimate.high]).all()


def test_a_column_without_a_value_leaves_its_neighbours_alone():
    weights = cluster_weights(names(30), resamples=500, seed=0)
    good = Ratio(np.random.default_rng(0).normal(size=30), np.ones(30))
    bad = Ratio(np.full(30, np.nan), np.zeros(30))
    alone = ratio_estimates(weights, [good]).estimate(0)
    beside = ratio_estimates(weights, [bad, good]).estimate(1)
    assert beside.value == pytest.approx(alone.value, rel=1e-12)
    assert (beside.low, beside.high) == pytest.approx((alone.low, alone.high), rel=1e-9)
