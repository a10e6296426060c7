"""Spread over seeds, signal over noise and rank agreement, against known values and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from saebench.stats import reliability
from saebench.stats.quantity import Quantity


def panel(subjects, seeds, *, between=1.0, within=0.1, shared=0.0, draw=0):
    """Scores with a known spread of subjects, noise of single scores and noise that all subjects share of a seed."""
    rng = np.random.default_rng(draw)
    true = between * rng.standard_normal((subjects, 1))
    return true + shared * rng.standard_normal((1, seeds)) + within * rng.standard_normal((subjects, seeds))


def test_one_subjects_spread_is_the_sample_standard_deviation():
    scores = np.array([[0.1, 0.3, 0.2, 0.5, 0.4]])
    assert reliability.reseed_sd(scores).value == pytest.approx(np.std(scores, ddof=1))


def test_a_single_seeds_difference_must_exceed_the_published_rule():
    """protocols.md O6.6: sd .0085, smallest difference .0235."""
    assert reliability.scaled(Quantity(0.0085), reliability.SINGLE_SEED).value == pytest.approx(0.0235, abs=1e-4)


@pytest.mark.parametrize("shared", [0.0, 0.1, 1.0])
def test_the_interval_of_a_spread_covers_as_often_as_it_says(shared):
    """Whether subjects have noise of their own or share that of their seeds, which leaves few degrees of freedom."""
    true = np.hypot(0.1, shared)
    found = [reliability.reseed_sd(panel(8, 5, shared=shared, draw=draw)) for draw in range(2000)]
    assert np.mean([one.low <= true <= one.high for one in found]) == pytest.approx(0.95, abs=0.025)


def test_what_all_subjects_share_of_a_seed_drops_out_of_paired_noise():
    scores = panel(4, 400, within=0.1, shared=5.0)
    assert reliability.paired_sd(scores).value == pytest.approx(0.1 * np.sqrt(2), rel=0.1)
    assert reliability.reseed_sd(scores).value > 4


def test_paired_noise_of_two_subjects_is_the_spread_of_their_difference():
    scores = panel(2, 7, shared=1.0)
    assert reliability.paired_sd(scores).value == pytest.approx(np.std(scores[0] - scores[1], ddof=1))


def test_signal_to_noise_finds_the_ratio_that_made_the_scores():
    scores = panel(2000, 5, between=0.3, within=0.1)
    assert reliability.signal_to_noise(scores).value == pytest.approx(3, rel=0.1)


def test_what_all_subjects_share_of_a_seed_takes_nothing_from_the_signal():
    found = [
        reliability.signal_to_noise(panel(8, 5, between=0.4, within=0.1, shared=1, draw=d)).value for d in range(200)
    ]
    assert np.median(found) == pytest.approx(4, rel=0.1)


def test_equal_subjects_have_no_signal_on_average():
    found = [reliability.signal_to_noise(panel(5, 5, between=0, draw=draw)).value for draw in range(200)]
    assert np.median(found) < 0.3


def test_a_score_without_noise_has_no_ratio_but_a_reason():
    scores = np.repeat([[0.1], [0.3]], 5, axis=1)
    scores[0, 0] = np.nextafter(0.1, 1)
    found = reliability.signal_to_noise(scores)
    assert (found.value, found.undefined) == (None, "differences do not depend on the seed")


def test_subjects_that_differ_by_noise_alone_are_seldom_separated():
    shares = [reliability.separated(panel(5, 5, between=0, draw=draw)).value for draw in range(300)]
    assert np.mean(shares) < 0.05
    assert reliability.separated(panel(5, 5, between=0) + np.arange(5.0)[:, None]).value == 1


def test_rank_agreement_is_spearmans_and_covers():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 12))
    assert reliability.spearman(x, y).value == pytest.approx(stats.spearmanr(x, y).statistic)
    pairs = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=(1000, 15))
    true = 6 / np.pi * np.arcsin(0.6 / 2)
    intervals = [reliability.spearman(one[:, 0], one[:, 1]) for one in pairs]
    assert np.mean([one.low <= true <= one.high for one in intervals]) == pytest.approx(0.95, abs=0.025)


def test_perfect_agreement_of_few_subjects_is_not_certain():
    found = reliability.spearman(np.arange(5.0), np.arange(5.0))
    assert found.value == pytest.approx(1)
    assert found.high == pytest.approx(1)
    assert found.low < 0.9


def test_rank_agreement_needs_subjects_that_differ():
    assert reliability.spearman(np.arange(4.0), np.arange(4.0)).undefined.startswith("4 subjects")
    assert "same for all" in reliability.spearman(np.ones(6), np.arange(6.0)).undefined


def test_longer_training_is_compared_inside_a_family_alone():
    found = reliability.longer_is_better([1.0, 2.0, 0.0, 9.0, 0.0], [10, 20, 30, 5, 40], ["a", "a", "a", "b", "a"])
    assert (found.value, found.n) == (pytest.approx(1 / 5), 5), "two equal scores are left out"
    nothing = reliability.longer_is_better([1.0, 2.0], [10, None], ["a", "a"])
    assert nothing.undefined.startswith("no two subjects differ in training length alone")
