"""Subjects of one architecture pooled over seeds and sparsity."""

import numpy as np
import pytest
from scipy import special
from small_tasks import card, write

from saebench.errors import UnknownName
from saebench.results.architectures import compare_architectures
from saebench.results.pooled import ONE_TRAINING, PooledTests, PooledValues
from saebench.results.store import ResultStore
from saebench.stats.bootstrap import Ratio, ratio_estimates
from saebench.stats.clusters import cluster_weights
from saebench.stats.combined import Sampled

N = 60
EASE = np.random.default_rng(1).normal(0, 0.1, N)
EASE -= EASE.mean()


@pytest.fixture
def store(tmp_path):
    return ResultStore(tmp_path)


def compare(store, **settings):
    task = card()
    (found,) = compare_architectures(
        list(store.all()), store, {task.name: task}.__getitem__, metrics=["score"], **settings
    )
    return found


def rows_of(found):
    return {row.subject: row for row in found.rows}


def train(store, architecture, values, l0=32.0, ease=EASE):
    for seed, value in enumerate(values):
        write(store, card(), f"{architecture}-l0-{l0}-s{seed}", value + ease, l0=l0, architecture=architecture)


def student(values):
    n = len(values)
    return special.stdtrit(n - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(n)


def test_without_noise_of_items_the_interval_is_students_over_trainings(store):
    values = [0.50, 0.52, 0.57]
    train(store, "topk", values, ease=np.zeros(N))
    found = rows_of(compare(store))["topk"].estimate
    assert found.value == pytest.approx(np.mean(values))
    assert found.high - found.value == found.value - found.low == pytest.approx(student(values))


def test_without_spread_of_trainings_the_interval_is_that_of_items(store):
    train(store, "topk", [0.5, 0.5, 0.5])
    found = rows_of(compare(store))["topk"].estimate
    assert found.high - found.value == pytest.approx(student(EASE), rel=1e-6)


def test_both_variances_are_added(store):
    values = [0.45, 0.50, 0.58, 0.51]
    train(store, "topk", values)
    found = rows_of(compare(store))["topk"].estimate
    items, trainings = np.var(EASE, ddof=1) / N, np.var(values, ddof=1) / 4
    freedom = (items + trainings) ** 2 / (items**2 / (N - 1) + trainings**2 / 3)
    half = special.stdtrit(freedom, 0.975) * np.sqrt(items + trainings)
    assert found.high - found.value == pytest.approx(half, rel=1e-6)


def test_what_items_do_to_all_subjects_drops_out_of_a_difference(store):
    first, second = [0.50, 0.52, 0.51], [0.55, 0.57, 0.53]
    train(store, "relu", first)
    train(store, "topk", second)
    row = rows_of(compare(store, base="relu"))["topk"]
    assert row.difference.value == pytest.approx(0.04)
    error = np.sqrt(np.var(first, ddof=1) / 3 + np.var(second, ddof=1) / 3)
    assert row.difference.detectable == pytest.approx(2.80 * error, rel=1e-6)


def test_no_difference_crosses_unlike_sparsity(store):
    """Both do as well at L0 32; one was trained at L0 128 too, where everybody does better."""
    train(store, "relu", [0.50, 0.52])
    train(store, "topk", [0.50, 0.52])
    train(store, "topk", [0.90, 0.92], l0=128.0)
    rows = rows_of(compare(store, base="relu"))
    assert rows["topk"].estimate.value == pytest.approx((0.51 + 0.91) / 2)
    assert rows["topk"].difference.value == pytest.approx(0, abs=1e-12)
    assert rows["topk"].letters == rows["relu"].letters
    train(store, "dense", [0.9, 0.9], l0=512.0)
    assert "no band of L0" in rows_of(compare(store, base="relu"))["dense"].difference.undefined


def test_bands_with_one_subject_borrow_the_spread_of_the_others(store):
    train(store, "topk", [0.50, 0.56], ease=np.zeros(N))
    train(store, "topk", [0.90], l0=128.0, ease=np.zeros(N))
    found = rows_of(compare(store))["topk"].estimate
    variance = np.var([0.50, 0.56], ddof=1) * (1 / 2 + 1) / 4
    assert found.high - found.value == pytest.approx(special.stdtrit(1, 0.975) * np.sqrt(variance))


def test_one_training_in_each_band_has_a_value_and_no_interval(store):
    train(store, "topk", [0.5])
    train(store, "relu", [0.4, 0.41])
    rows = rows_of(compare(store, base="relu"))
    assert rows["topk"].estimate.value == pytest.approx(0.5)
    assert rows["topk"].estimate.undefined == rows["topk"].difference.undefined == ONE_TRAINING
    assert rows["topk"].rank is None


def test_controls_are_left_out_and_widths_are_told_apart(store):
    train(store, "topk", [0.5, 0.6])
    write(store, card(), "random", 0.1 + EASE, role="random", architecture="random")
    assert [pool.name for pool in compare(store).pools] == ["topk"]
    wide = write(store, card(), "wide", 0.7 + EASE, architecture="topk")
    subject = wide.subject.model_copy(update={"d_dict": 128})
    store.write(wide.model_copy(update={"subject": subject}), store.items(wide))
    assert [pool.name for pool in compare(store).pools] == ["topk 128", "topk 64"]


def test_a_subject_without_a_value_leaves_its_architecture_without_one(store):
    train(store, "topk", [0.5, np.nan])
    found = rows_of(compare(store))["topk"].estimate
    assert found.value is None
    assert "topk-l0-32.0-s1" in found.undefined
    assert "not finite" in found.undefined


def test_an_unknown_base_is_refused_with_near_misses(store):
    train(store, "topk", [0.5, 0.6])
    with pytest.raises(UnknownName, match="did you mean topk"):
        compare(store, base="topkk")


def test_intervals_cover_the_architecture_and_not_only_its_trainings():
    """Three trainings of each of two equal architectures over shared documents; item noise alone would alarm often."""
    rng = np.random.default_rng(0)
    trials, covered, alarms, naive = 400, 0, 0, 0
    weights = cluster_weights([f"d{place}" for place in range(30)], resamples=200, seed="a")
    for _ in range(trials):
        ease, trainings = rng.normal(0, 0.1, 30), rng.normal(0.5, 0.03, 6)
        columns = [Ratio(value + ease + rng.normal(0, 0.05, 30), np.ones(30)) for value in trainings]
        panel = ratio_estimates(weights, columns)
        sides = [PooledValues({32.0: [Sampled.of(panel, place) for place in own]}) for own in ((0, 1, 2), (3, 4, 5))]
        estimate = sides[0].estimate()
        covered += estimate.low <= 0.5 <= estimate.high
        p = PooledTests(sides).p_values()[0, 1]
        alarms += p < 0.05
        gap = panel.influences[:, :3].mean(1) - panel.influences[:, 3:].mean(1)
        naive += abs(panel.values[:3].mean() - panel.values[3:].mean()) > 2 * np.sqrt(np.sum(gap**2))
    assert covered / trials > 0.93
    assert alarms / trials < 0.07
    assert naive / trials > 0.2
