"""K-SVD: a planted dictionary comes back, no update makes the error larger, unused atoms are put to use."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from planted_activations import sparse_sums

from saebench.activations.sets import ActivationSet
from saebench.baselines.ksvd import KsvdRecipe, move
from saebench.baselines.pursuit import Pursuit, pursue
from saebench.baselines.recipe import Ground
from saebench.dictionaries.codes import SparseCodes
from saebench.errors import DataError


def test_a_planted_dictionary_comes_back():
    x, directions = sparse_sums(3000, 20, 30, 3)
    made = KsvdRecipe(d_dict=30, l0=3, rounds=30).fit(Ground(ActivationSet.from_tensor(x)))
    cosines = (directions @ made.atoms.T).abs().max(1).values
    assert float((cosines > 0.99).float().mean()) > 0.8, "the rest stand in a local optimum"
    left = made.provenance.extra["fit"]["unexplained_after_round"]
    assert left[-1] < 0.05 < left[0]
    assert all(after < before for before, after in pairwise(left[:8]))


def test_moving_atoms_never_makes_the_error_larger():
    x, _ = sparse_sums(400, 12, 20, 4, noise=0.3)
    atoms = torch.randn(20, 12, generator=torch.Generator().manual_seed(1))
    atoms /= atoms.norm(dim=1, keepdim=True)
    codes = pursue(x, atoms, Pursuit(4, "signed", "lstsq"))
    before = float((x - codes.project(atoms)).square().sum())
    after = move(atoms, codes, x)
    assert after < before
    torch.testing.assert_close(atoms.norm(dim=1), torch.ones(20))


def test_one_atom_moves_to_the_first_singular_vector_of_what_the_others_leave():
    """With L0 = 1 and repeated moves, the update is the power method on the atom's own tokens."""
    x, _ = sparse_sums(200, 8, 3, 2, noise=0.2)
    atoms = torch.randn(1, 8, generator=torch.Generator().manual_seed(0))
    atoms /= atoms.norm()
    for _ in range(200):
        move(atoms, pursue(x, atoms, Pursuit(1, "signed", "lstsq")), x)
    first = torch.linalg.svd(x)[2][0]
    assert float((atoms[0] @ first).abs()) == pytest.approx(1, abs=1e-4)


def test_an_atom_that_nothing_uses_becomes_the_worst_token():
    x = torch.tensor([[5.0, 0, 0], [4.0, 0, 0], [0, 3.0, 0], [0, 0, 1.0]])
    atoms = torch.tensor([[1.0, 0, 0], [0.6, 0.0, -0.8]])
    move(atoms, SparseCodes(torch.tensor([[5.0], [4.0], [0.0], [0.0]]), torch.zeros(4, 1, dtype=torch.long), 2), x)
    torch.testing.assert_close(atoms, torch.tensor([[1.0, 0, 0], [0, 1.0, 0]]))


def test_fewer_tokens_than_atoms_are_too_few():
    with pytest.raises(DataError, match="10 tokens cannot fit 20 atoms"):
        KsvdRecipe(d_dict=20, l0=2).fit(Ground(ActivationSet.from_tensor(torch.randn(10, 4))))
