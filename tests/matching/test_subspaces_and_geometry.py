"""Truths about SVCCA, RSA and their permutation nulls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.cross_decomposition import CCA

from saebench.matching.permutations import permuted
from saebench.matching.rsa import Geometry, agreement, rsa
from saebench.matching.svcca import kept, svcca

X = np.random.RandomState(1).randn(200, 5)


def rotated(x, seed=2):
    return x @ np.linalg.qr(np.random.RandomState(seed).randn(x.shape[1], x.shape[1]))[0]


def test_svcca_of_a_rotated_scaled_and_shifted_copy_is_one():
    assert svcca(X, 2 * rotated(X) + 1).score() == pytest.approx(1, abs=1e-12)


def test_svcca_keeps_a_share_of_its_own_variance():
    """The trap: 0.99 compared with cumulative squares that do not sum to 1."""
    basis = np.linalg.qr(X - X.mean(0))[0]
    for size in (1e-3, 1.0, 1e3):
        # The first direction holds 100 / 101.2 of the variance, which is just too little.
        assert kept(basis * np.array([10.0, 1.1, 0.1, 0.01, 0.001]) * size).shape[1] == 2
        assert kept(basis * size).shape[1] == 5


def test_svcca_of_full_subspaces_equals_scikit_learns_cca():
    y = X[:, :3] + np.random.RandomState(3).randn(200, 3)
    made = svcca(X, y)
    assert made.dimensions == (5, 3)
    first, second = CCA(n_components=3, max_iter=5000, tol=1e-12).fit(X, y).transform(X, y)
    expected = [np.corrcoef(first[:, i], second[:, i])[0, 1] for i in range(3)]
    assert made.score() == pytest.approx(np.mean(expected), abs=1e-5)


def test_svcca_of_too_few_pairs_is_refused():
    with pytest.raises(ValueError, match="too few"):
        svcca(X[:10], np.random.RandomState(4).randn(10, 5))
    with pytest.raises(ValueError, match="do not vary"):
        svcca(X, np.full((200, 3), 0.1))


def test_rsa_with_cosines_is_invariant_under_rotation_and_scale():
    assert rsa(X, 3 * rotated(X)) == pytest.approx(1, abs=1e-9)


def test_rsa_with_correlations_is_not_invariant_under_rotation():
    """The published form must not be used across bases."""
    values = []
    for seed in range(6):
        x = np.random.RandomState(seed).randn(60, 6)
        assert rsa(x, x, "correlation") == pytest.approx(1)
        values.append(rsa(x, rotated(x, seed + 10), "correlation"))
    assert max(values) < 0.97
    assert min(values) < 0.8


@pytest.mark.parametrize("inner", ["cosine", "correlation"])
def test_rsa_equals_scipys_spearman_of_the_lower_triangles(inner):
    y = X[:, :4] + np.random.RandomState(5).randn(200, 4)
    lower = np.tril_indices(200, -1)

    def similarities(rows):
        if inner == "correlation":
            return np.corrcoef(rows)[lower]
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return (unit @ unit.T)[lower]

    expected = spearmanr(similarities(X), similarities(y)).statistic
    assert rsa(X, y, inner) == pytest.approx(expected, abs=1e-9)


def test_rsa_of_some_rows_ranks_them_afresh_ties_included():
    x = np.random.RandomState(6).randint(-1, 2, (50, 3)).astype(float)
    y = x + np.random.RandomState(7).randint(-1, 2, (50, 3))
    rows = np.flatnonzero(np.arange(50) % 4 != 0)
    some = agreement(Geometry.of(x).ranks(rows), Geometry.of(y).ranks(rows))
    assert some == pytest.approx(rsa(x[rows], y[rows]), abs=1e-12)


def test_rows_whose_similarities_are_all_equal_have_no_geometry():
    with pytest.raises(ValueError, match="do not vary"):
        rsa(np.eye(6), X[:6])


def test_unrelated_rows_have_a_uniform_permutation_p():
    """P(p <= 0.1) is 0.1 for exchangeable rows."""
    ps = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        made = svcca(random.normal(size=(40, 4)), random.normal(size=(40, 4)))
        ps.append(permuted(made.score, 40, seed=seed, draws=49).p)
    assert 0.3 < np.mean(ps) < 0.7
    assert np.mean(np.array(ps) <= 0.1) < 0.25


def test_a_true_pairing_has_the_smallest_p_there_is():
    made = svcca(X, rotated(X))
    null = permuted(made.score, 200, seed=0, draws=30)
    assert null.observed == pytest.approx(1)
    assert null.null.mean() < 0.4
    assert null.p == 1 / 31
    first, second = Geometry.of(X).ranks(np.arange(200)), Geometry.of(rotated(X)).ranks(np.arange(200))
    by_rsa = permuted(lambda order: agreement(first, second, order), 200, seed=0, draws=30)
    assert by_rsa.p == 1 / 31
    assert abs(by_rsa.null.mean()) < 0.05


def test_a_random_pairing_is_that_of_shuffled_rows():
    order = np.random.RandomState(8).permutation(200)
    y = rotated(X) + np.random.RandomState(9).randn(200, 5)
    assert svcca(X, y).score(order) == pytest.approx(svcca(X, y[order]).score(), abs=1e-12)
    first, second = Geometry.of(X).ranks(np.arange(200)), Geometry.of(y).ranks(np.arange(200))
    assert agreement(first, second, order) == pytest.approx(rsa(X, y[order]), abs=1e-12)
