"""Truths about the mean matched cosine: known values, invariances, brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import draw

from saebench.matching import mcc, mutual_nearest, nearest, unit_rows

I2 = np.eye(2)


def test_the_sign_convention():
    other = np.array([[-1.0, 0.0], [0.6, 0.8]])
    signed, unsigned = mcc(I2, other), mcc(I2, other, signed=False)
    assert signed.value == pytest.approx(0.3, abs=1e-12)
    assert signed.assignment.columns.tolist() == [1, 0]
    assert signed.cosines.tolist() == pytest.approx([0.6, 0.0])
    assert unsigned.value == pytest.approx(0.9, abs=1e-12)
    assert unsigned.assignment.columns.tolist() == [0, 1]
    assert signed.solver == "exact"
    assert signed.assignment.error_bound == 0.0


def test_a_zero_row_counts_at_cosine_0_with_a_warning():
    with pytest.warns(UserWarning, match="1 of 2 rows are zero"):
        made = mcc(I2, np.array([[1.0, 0.0], [0.0, 0.0]]))
    assert made.value == 0.5
    assert made.zero_rows == (0, 1)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_rows_of_any_length_have_a_direction(scale):
    assert mcc(I2 * scale, I2).value == 1.0


@given(st.integers(0, 10**6), st.integers(2, 24), st.integers(2, 12))
@settings(max_examples=40, deadline=None)
def test_permutation_and_positive_scaling_change_nothing(seed, n, d):
    draw_from = np.random.default_rng(seed)
    a, b = draw_from.standard_normal((n, d)), draw_from.standard_normal((n, d))
    scaled = (a * draw_from.uniform(0.1, 10, (n, 1)))[draw_from.permutation(n)]
    assert mcc(a, scaled).value == pytest.approx(1, abs=1e-6)
    for signed in (True, False):
        assert mcc(scaled, b, signed).value == pytest.approx(mcc(a, b, signed).value, abs=1e-6)
        assert mcc(b, a, signed).value == pytest.approx(mcc(a, b, signed).value, abs=1e-6)


def test_a_flipped_atom_costs_two_over_f_where_signs_count():
    """To give the flipped row to another one gains 1 and loses 1: orthogonal rows have no better partner."""
    flipped = np.eye(8)
    flipped[3] *= -2
    assert mcc(np.eye(8), flipped).value == 1 - 2 / 8
    assert mcc(np.eye(8), flipped, signed=False).value == 1


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(("n", "m"), [(5, 5), (3, 6), (6, 3)])
def test_equals_the_best_of_all_assignments(signed, n, m):
    draw_from = np.random.default_rng(n + 10 * m)
    a, b = draw_from.standard_normal((n, 4)), draw_from.standard_normal((m, 4))
    cosines = (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T
    cosines = cosines if signed else np.abs(cosines)
    wide = cosines if n <= m else cosines.T
    best = max(
        np.mean([wide[row, column] for row, column in enumerate(columns)])
        for columns in itertools.permutations(range(wide.shape[1]), len(wide))
    )
    made = mcc(a, b, signed)
    assert made.value == pytest.approx(best, abs=1e-6)
    assert len(made.cosines) == min(n, m)
    chosen = cosines[made.assignment.rows, made.assignment.columns]
    assert made.cosines == pytest.approx(chosen, abs=1e-6)


def test_half_precision_rows_are_read():
    a, b = draw(32, 16, "seed")
    assert mcc(a.bfloat16(), b.bfloat16()).value == pytest.approx(mcc(a, b).value, abs=1e-2)


@pytest.mark.parametrize("bad", [np.full((2, 2), np.nan), np.full((2, 2), np.inf), np.ones(3), np.ones((2, 3))])
def test_what_cannot_be_compared_is_refused(bad):
    with pytest.raises(ValueError, match=r"NaN|matrix|width"):
        mcc(I2, bad)


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="no rows"):
        mcc(I2, np.ones((0, 2)))


def test_mutual_neighbours_of_shared_rows_are_the_assigned_pairs():
    """Above .7 hardly anything but the true partner is near, so that both ways of pairing find the same pairs."""
    a, b = (unit_rows(x) for x in draw(1024, 128, "half"))
    mutual = mutual_nearest(a, b, signed=True)
    assigned = mcc(a.values, b.values)
    above = mutual.cosines > 0.7
    found = set(zip(mutual.rows[above], mutual.columns[above], strict=True))
    above = assigned.cosines > 0.7
    matched = set(zip(assigned.assignment.rows[above], assigned.assignment.columns[above], strict=True))
    assert found == matched
    assert len(found) > 400


def test_nearest_rows_may_be_shared_and_zero_rows_are_nobodys():
    a = unit_rows(np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 0.0]]), warn=False)
    b = unit_rows(np.array([[1.0, 0.0], [-1.0, 0.0]]))
    cosines, columns = nearest(a, b, signed=True)
    assert columns[:2].tolist() == [0, 0]
    assert cosines.tolist() == pytest.approx([1, 1 / np.hypot(1, 0.1), 0])
    mutual = mutual_nearest(a, b, signed=True)
    assert (mutual.rows.tolist(), mutual.columns.tolist()) == ([0], [0])


def test_random_rows_of_a_known_size():
    """Measured elsewhere (n = 4096, d = 256): dense MCC .217, |cos| .228, mean nearest cosine .2245."""
    a, b = (torch.from_numpy(np.random.default_rng(seed).standard_normal((4096, 256))) for seed in (0, 1))
    assert mcc(a, b).value == pytest.approx(0.217, abs=2e-3)
    assert mcc(a, b, signed=False).value == pytest.approx(0.228, abs=2e-3)
    assert nearest(unit_rows(a), unit_rows(b), signed=True)[0].mean() == pytest.approx(0.2245, abs=2e-3)
