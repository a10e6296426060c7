"""Truths about SAE Match, SAE stitching and the Jaccard similarity of labels."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from saebench.matching import folding
from saebench.matching.folding import match_rows
from saebench.matching.jaccard import jaccard
from saebench.matching.stitching import Insertions, auc, is_novel


def rows(n, d=6, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("n", "m"), [(5, 5), (4, 6), (6, 4)])
def test_matching_has_the_smallest_sum_of_squared_distances(n, m):
    """Against all matchings; lengths differ, so that the nearest in cosine is not the nearest."""
    a, b = rows(n) * torch.linspace(0.2, 3, n)[:, None] + 5, rows(m, seed=1) + 5
    cost = torch.cdist(a, b).square().numpy()
    if n <= m:
        best = min(sum(cost[i, j] for i, j in enumerate(order)) for order in permutations(range(m), n))
    else:
        best = min(sum(cost[i, j] for j, i in enumerate(order)) for order in permutations(range(n), m))
    made = match_rows(a, b)
    assert made.squared.sum() == pytest.approx(best, rel=1e-6)
    assert made.squared == pytest.approx(cost[made.rows, made.columns])
    assert len(set(made.columns.tolist())) == min(n, m)


def test_permuted_rows_are_found_again_by_both_solvers(monkeypatch):
    a = rows(60) * torch.linspace(0.1, 2, 60)[:, None]
    order = torch.randperm(60, generator=torch.Generator().manual_seed(3))
    for limit, solver in ((60 * 60, "exact"), (1, "candidates")):
        monkeypatch.setattr(folding, "DENSE_ENTRIES", limit)
        made = match_rows(a, a[order])
        assert made.solver == solver
        assert order[made.columns].tolist() == made.rows.tolist()
        assert made.squared.max() == 0


def test_rows_of_other_widths_cannot_be_matched():
    with pytest.raises(ValueError, match="cannot be matched"):
        match_rows(rows(3), rows(3, 5))


def test_the_change_by_an_insertion_is_that_of_the_reconstruction_with_it():
    random = np.random.default_rng(0)
    error, codes, atoms = random.normal(size=(40, 6)), random.normal(size=(40, 9)).clip(0), random.normal(size=(9, 6))
    sums = Insertions.none(9, 6)
    sums.images += codes.T @ error
    sums.squares += np.square(codes).sum(axis=0)
    expected = [np.square(error - np.outer(codes[:, i], atoms[i])).sum() - np.square(error).sum() for i in range(9)]
    assert sums.changes(atoms) == pytest.approx(expected)


def test_a_cosine_of_exactly_the_threshold_is_novel():
    assert is_novel(np.array([0.69, 0.7, 0.71])).tolist() == [True, True, False]


def test_auc_equals_scikit_learns_ties_included():
    random = np.random.default_rng(1)
    score, positive = random.integers(0, 6, 80).astype(float), random.random(80) < 0.3
    assert auc(score, positive) == pytest.approx(roc_auc_score(positive, score))
    with pytest.raises(ValueError, match="nothing to tell apart"):
        auc(score, np.ones(80, dtype=bool))


def test_jaccard_counts_shared_labels():
    a, b = {("x", 1), ("x", 2), ("y", 1)}, {("x", 2), ("y", 1), ("y", 3)}
    assert jaccard(a, b) == 0.5
    assert jaccard(a, a) == 1
    assert jaccard(a, set()) == 0
    with pytest.raises(ValueError, match="labelled"):
        jaccard(set(), set())
