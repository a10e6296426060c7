"""Correlations of codes against numpy on whole matrices, and the matching against other solvers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from saebench.matching import correlate, paired_correlations


def codes(tokens: int, latents: int, density: float, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return draw.uniform(0.1, 3, (tokens, latents)) * (draw.uniform(size=(tokens, latents)) < density)


def pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(np.corrcoef(a.T, b.T)[: a.shape[1], a.shape[1] :])


@pytest.mark.parametrize("density", [0.02, 0.3, 1.0])
def test_equal_numpy_with_zeros_included(density):
    a, b = codes(300, 40, density, 0), codes(300, 30, density, 1)
    made = correlate(sparse.csr_array(a), sparse.csr_array(b))
    assert made.values.toarray() == pytest.approx(np.maximum(pearson(a, b), 0), abs=1e-12)


def test_latents_that_never_fire_together_are_not_positively_correlated():
    a, b = codes(300, 40, 0.02, 0), codes(300, 30, 0.02, 1)
    apart = (a != 0).T.astype(int) @ (b != 0).astype(int) == 0
    assert apart.any()
    assert pearson(a, b)[apart].max() <= 1e-12


def test_signed_codes_may_be_flipped():
    a = codes(200, 12, 0.3, 0) * np.sign(np.random.default_rng(2).standard_normal((200, 12)))
    kept, flipped = (correlate(sparse.csr_array(a), sparse.csr_array(-a), signed=signed) for signed in (True, False))
    assert np.diag(flipped.values.toarray()) == pytest.approx(1)
    assert np.diag(kept.values.toarray()) == pytest.approx(0)
    rows, columns, values = flipped.one_to_one()
    assert rows.tolist() == columns.tolist() == list(range(12))
    assert values == pytest.approx(1)


@pytest.mark.parametrize(("n", "m"), [(30, 30), (20, 50), (50, 20)])
@pytest.mark.parametrize("density", [0.02, 0.2])
@pytest.mark.parametrize("dense_from", [-1.0, 2.0])
def test_the_matching_has_the_largest_sum(monkeypatch, n, m, density, dense_from):
    monkeypatch.setattr("saebench.matching.correlations.DENSE_FROM", dense_from)
    a, b = codes(200, n, density, 3), codes(200, m, density, 4)
    gain = np.maximum(pearson(a, b), 0)
    best = gain[linear_sum_assignment(gain, maximize=True)].sum()
    rows, columns, values = correlate(sparse.csr_array(a), sparse.csr_array(b)).one_to_one()
    assert values.sum() == pytest.approx(best)
    assert values == pytest.approx(gain[rows, columns])
    assert (values > 0).all()
    assert len(set(columns.tolist())) == len(set(rows.tolist())) == len(rows)
    assert (np.diff(rows) > 0).all()


def test_the_best_match_may_be_shared():
    a = codes(100, 5, 0.3, 0)
    b = np.hstack([a[:, :1], a[:, :1] * 2])
    made = correlate(sparse.csr_array(np.hstack([a[:, :1], a[:, :1]])), sparse.csr_array(b))
    assert [side.tolist() for side in made.best()] == [pytest.approx([1, 1])] * 2
    whole = correlate(sparse.csr_array(a), sparse.csr_array(b))
    for axis, side in zip((1, 0), whole.best(), strict=True):
        assert side == pytest.approx(np.maximum(pearson(a, b), 0).max(axis))


def test_dead_and_constant_latents_have_no_correlation():
    a = codes(50, 4, 0.5, 0)
    a[:, 1] = 0
    a[:, 2] = 0.7
    made = correlate(sparse.csr_array(a), sparse.csr_array(a))
    assert made.varies[0].tolist() == [True, False, False, True]
    assert made.best()[0][[1, 2]].tolist() == [0, 0]
    assert made.one_to_one()[0].tolist() == [0, 3]
    silent = correlate(sparse.csr_array(np.zeros((50, 3))), sparse.csr_array(a))
    assert silent.best()[0].tolist() == [0, 0, 0]
    assert len(silent.one_to_one()[0]) == 0


def test_codes_of_other_tokens_are_refused():
    with pytest.raises(ValueError, match="cannot be correlated"):
        correlate(sparse.csr_array(np.ones((3, 2))), sparse.csr_array(np.ones((4, 2))))


def test_chosen_pairs_have_numpys_correlation_of_either_sign():
    a, b = codes(300, 20, 0.3, 0), codes(300, 20, 0.3, 1)
    a[:, 4] = 0
    rows, columns = np.arange(20), np.arange(20)[::-1].copy()
    made = paired_correlations(sparse.csr_array(a), sparse.csr_array(b), rows, columns)
    whole = pearson(a, b)[rows, columns]
    assert np.flatnonzero(np.isnan(made)).tolist() == [4]
    varies = rows != 4
    assert made[varies] == pytest.approx(whole[varies], abs=1e-12)
    assert (made[varies] < 0).any()
    assert (made[varies] > 0).any()
