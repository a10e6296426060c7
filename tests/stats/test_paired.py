"""Differences between subjects."""

import numpy as np
import pytest
from scipy import stats

from saebench.stats import holm
from saebench.stats.bootstrap import Ratio, ratio_estimates
from saebench.stats.clusters import cluster_weights
from saebench.stats.paired import paired_difference, paired_p_values, unpaired_difference


def names(n: int) -> list[str]:
    return [f"d{i:05}" for i in range(n)]


def panel_of(*columns, clusters=None, resamples=2_000, seed=0):
    n = len(columns[0])
    weights = cluster_weights(names(n) if clusters is None else clusters, resamples=resamples, seed=seed)
    return ratio_estimates(weights, [Ratio(np.asarray(column, dtype=float), np.ones(n)) for column in columns])


def rejections(differences, resamples=1_000) -> float:
    """Share of p < 5 % when each column of `[n, trials]` is compared with zero."""
    n, trials = differences.shape
    panel = panel_of(np.zeros(n), *differences.T, resamples=resamples)
    p = paired_p_values(panel, [(0, column) for column in range(1, trials + 1)])
    return float(np.mean([value < 0.05 for value in p.values()]))


@pytest.mark.parametrize("n", [10, 30, 100])
def test_false_alarms_at_five_percent_on_symmetric_differences(n):
    rng = np.random.default_rng(n)
    assert rejections(rng.normal(size=(n, 2_000))) == pytest.approx(0.05, abs=0.016)
    assert rejections(rng.standard_t(3, size=(n, 2_000))) == pytest.approx(0.05, abs=0.016)


def test_false_alarms_on_skewed_differences_stay_near_five_percent():
    rng = np.random.default_rng(9)
    assert rejections(rng.exponential(size=(60, 2_000)) - 1) < 0.075


def test_false_alarms_with_clusters():
    """Items of a document share an effect: the document is the unit. Taking items as units alarms far too often."""
    rng = np.random.default_rng(4)
    documents, length, trials = 30, 8, 1_000
    effect = np.repeat(rng.normal(size=(documents, trials)), length, axis=0)
    differences = effect + 0.5 * rng.normal(size=effect.shape)
    clusters = [f"d{i:02}" for i in np.repeat(np.arange(documents), length)]
    rates = []
    for owner in (clusters, names(len(clusters))):
        panel = panel_of(np.zeros(len(clusters)), *differences.T, clusters=owner, resamples=1_000)
        p = paired_p_values(panel, [(0, column) for column in range(1, trials + 1)])
        rates.append(np.mean([value < 0.05 for value in p.values()]))
    assert rates[0] == pytest.approx(0.05, abs=0.022)
    assert rates[1] > 0.3


def test_the_smallest_detectable_difference_is_found_four_times_in_five():
    rng = np.random.default_rng(2)
    n, trials = 80, 1_500
    detectable = 2.80 / np.sqrt(n)
    assert 0.75 < rejections(rng.normal(detectable, 1, size=(n, trials))) < 0.85
    reported = [
        paired_difference(panel_of(np.zeros(n), rng.normal(size=n), resamples=200), 0, 1).detectable for _ in range(40)
    ]
    assert np.mean(reported) == pytest.approx(detectable, rel=0.05)


def test_coverage_of_the_paired_interval_and_its_gain_over_an_unpaired_one():
    rng = np.random.default_rng(8)
    n, trials, hits, widths = 40, 300, 0, []
    for _ in range(trials):
        shared = rng.normal(size=n)
        a, b = shared + 0.2 * rng.normal(size=n) + 0.1, shared + 0.2 * rng.normal(size=n)
        panel = panel_of(a, b, resamples=1_000)
        paired = paired_difference(panel, 0, 1)
        other = panel_of(b, resamples=1_000, seed=1)
        unpaired = unpaired_difference(panel, 0, other, 0)
        hits += paired.low <= 0.1 <= paired.high
        widths.append((unpaired.high - unpaired.low) / (paired.high - paired.low))
    assert 0.92 <= hits / trials <= 0.98
    assert np.mean(widths) == pytest.approx(np.sqrt(2 * 1.04) / np.sqrt(0.08), rel=0.1)


def test_the_exact_p_is_reached_when_all_clusters_agree():
    """Only all plus and all minus are as extreme: 2 of 2^n patterns."""
    for n in (10, 14):
        assert paired_p_values(panel_of(np.zeros(n), np.arange(1, n + 1)))[0, 1] == 2 / 2**n
    p = paired_p_values(panel_of(np.zeros(15), np.arange(1, 16), resamples=400_000))[0, 1]
    assert p == pytest.approx(2 / 2**15, abs=4e-5)


def test_clusters_without_a_difference_change_no_p():
    """Turning the sign of a zero changes no sum: what counts is how many clusters differ."""
    rng = np.random.default_rng(5)
    few = rng.exponential(size=12) - 0.3
    many = np.concatenate([few, np.zeros(40)])
    alone = paired_p_values(panel_of(np.zeros(12), few))[0, 1]
    among = paired_p_values(panel_of(np.zeros(52), many))[0, 1]
    assert among == alone
    agreeing = np.concatenate([np.ones(13), np.zeros(40)])
    assert paired_p_values(panel_of(np.zeros(53), agreeing))[0, 1] == 2 / 2**13


def test_few_clusters_have_the_p_of_scipys_exact_permutation_test():
    """Signs of paired differences, all of them: `permutation_type="samples"` of two samples."""
    rng = np.random.default_rng(7)
    for n in (10, 13):
        a, b = rng.exponential(size=(2, n))
        theirs = stats.permutation_test(
            (a, b), lambda x, y: np.mean(x) - np.mean(y), permutation_type="samples", n_resamples=np.inf
        )
        assert paired_p_values(panel_of(a, b))[0, 1] == pytest.approx(theirs.pvalue, abs=1e-12)


def test_a_large_family_over_fourteen_clusters_can_still_be_significant():
    """23 subjects, 253 pairs: 2^-13 x 253 = .031."""
    steps = np.arange(23.0)
    panel = panel_of(*(np.linspace(1, 2, 14) * step for step in steps))
    p_values = paired_p_values(panel)
    assert len(p_values) == 253
    assert max(holm(p_values).values()) == pytest.approx(253 / 2**13)


def test_strong_evidence_gets_below_the_resolution_of_the_resamples():
    p = paired_p_values(panel_of(np.zeros(400), np.ones(400), resamples=1_000))[0, 1]
    assert p == pytest.approx(2 * np.exp(-200))


def test_pairs_are_antisymmetric_and_a_subject_equals_itself():
    rng = np.random.default_rng(0)
    a, b = rng.exponential(size=25), rng.exponential(size=25)
    panel = panel_of(a, b, a)
    forward, back = paired_difference(panel, 0, 1), paired_difference(panel, 1, 0)
    assert forward.value == -back.value
    assert forward.p == back.p
    assert forward.low == pytest.approx(-back.high, abs=0.01)
    same = paired_difference(panel, 0, 2)
    assert (same.value, same.low, same.high, same.p, same.detectable) == (0, 0, 0, 1, 0)


def test_all_pairs_at_once_equal_each_pair_alone():
    rng = np.random.default_rng(1)
    base = rng.uniform(1, 2, 30)
    weights = cluster_weights(names(30), resamples=2_000, seed=0)
    panel = ratio_estimates(weights, [Ratio(base * rng.normal(shift, 1, 30), base) for shift in (0, 0.3, 1)])
    together = paired_p_values(panel)
    assert set(together) == {(0, 1), (0, 2), (1, 2)}
    for a, b in together:
        assert paired_difference(panel, a, b).p == together[a, b]


def test_too_few_clusters_and_missing_values_are_not_tested():
    few = panel_of(np.zeros(5), np.ones(5))
    difference = paired_difference(few, 0, 1)
    assert difference.value == -1
    assert difference.p is None
    assert "5 clusters" in difference.undefined
    assert paired_p_values(few) == {}
    broken = panel_of(np.zeros(20), np.full(20, np.nan), np.arange(20))
    assert paired_difference(broken, 0, 1).value is None
    assert set(paired_p_values(broken)) == {(0, 2)}


def test_unpaired_false_alarms_and_coverage_with_unequal_spread():
    rng = np.random.default_rng(3)
    trials, alarms, hits = 500, 0, 0
    for _ in range(trials):
        a = panel_of(rng.normal(0, 3, size=15), resamples=500, seed="a")
        b = panel_of(rng.normal(0, 1, size=60), resamples=500, seed="b")
        difference = unpaired_difference(a, 0, b, 0)
        alarms += difference.p < 0.05
        hits += difference.low <= 0 <= difference.high
    assert alarms / trials == pytest.approx(0.05, abs=0.03)
    assert hits / trials == pytest.approx(0.95, abs=0.03)


def test_unpaired_refuses_weights_that_pair():
    panel = panel_of(np.arange(20))
    with pytest.raises(ValueError, match="two different seeds"):
        unpaired_difference(panel, 0, panel, 0)


def test_two_constant_samples_that_differ_have_the_permutation_p():
    a, b = panel_of(np.zeros(10), seed="a"), panel_of(np.ones(10), seed="b")
    assert unpaired_difference(a, 0, b, 0).p == pytest.approx(2 / 184_756)


def test_nothing_is_paired_where_there_are_no_items():
    assert paired_p_values(panel_of([], [])) == {}
