"""Holm, rank intervals and letters."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from saebench.stats.letters import compact_letters, letter_name
from saebench.stats.multiplicity import holm
from saebench.stats.ranks import rank_intervals


def test_holm_on_a_known_family():
    # p = .01 .02 .03 .005 ordered .005 .01 .02 .03, times 4 3 2 1, running maximum.
    adjusted = holm({"a": 0.01, "b": 0.02, "c": 0.03, "d": 0.005})
    assert adjusted == pytest.approx({"a": 0.03, "b": 0.04, "c": 0.04, "d": 0.02})


def test_holm_controls_the_family_at_five_percent():
    p = np.random.default_rng(0).uniform(size=(4_000, 10))
    alarms = [min(holm(dict(enumerate(row))).values()) < 0.05 for row in p]
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.012)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_lies_between_raw_and_bonferroni_and_keeps_the_order(values):
    family = dict(enumerate(values))
    adjusted = holm(family)
    for test, p in family.items():
        assert p <= adjusted[test] <= min(1.0, p * len(values)) + 1e-15
    order = sorted(family, key=family.__getitem__)
    assert all(adjusted[a] <= adjusted[b] for a, b in pairwise(order))


def test_holm_of_independent_tests_is_scipys_order():
    """Never less strict than the false discovery rate, on the same p."""
    p = np.random.default_rng(3).uniform(size=20)
    fdr = stats.false_discovery_control(p)
    adjusted = holm(dict(enumerate(p)))
    assert all(adjusted[i] >= fdr[i] - 1e-12 for i in range(20))


def test_rank_intervals_of_a_total_order_and_of_a_tie():
    order = np.triu(np.ones((4, 4), dtype=bool), 1)
    assert rank_intervals(order) == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert rank_intervals(np.zeros((4, 4), dtype=bool)) == [(1, 4)] * 4


def test_a_chain_of_ties_gets_two_letters():
    """a = b and b = c but a != c."""
    different = np.zeros((3, 3), dtype=bool)
    different[0, 2] = different[2, 0] = True
    assert compact_letters(different) == [("a",), ("a", "b"), ("b",)]


def test_piephos_shape_of_overlapping_ties():
    """Five in a row, neighbours up to distance two tie: three groups of three."""
    index = np.arange(5)
    different = np.abs(index[:, None] - index) > 2
    assert compact_letters(different) == [("a",), ("a", "b"), ("a", "b", "c"), ("b", "c"), ("c",)]


@given(st.integers(0, 9), st.data())
def test_two_share_a_letter_if_and_only_if_they_do_not_differ(n, data):
    pairs = [(i, j) for i in range(n) for j in range(i)]
    chosen = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    different = np.zeros((n, n), dtype=bool)
    for i, j in chosen:
        different[i, j] = different[j, i] = True
    letters = compact_letters(different)
    assert all(letters)
    for i, j in pairs:
        assert bool(set(letters[i]) & set(letters[j])) != different[i, j]


def test_letter_names_never_repeat():
    assert [letter_name(index) for index in (0, 25, 26, 52)] == ["a", "z", "a1", "a2"]
    assert len({letter_name(index) for index in range(500)}) == 500
