"""Non-negative least squares in batches, against SciPy's active-set method and the conditions of an optimum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import nnls as reference

from saebench.baselines import nnls as module
from saebench.baselines.nnls import nnls


def problem(d: int, k: int, n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Atoms `[d, k]` and tokens `[n, d]`, some inside the cone of the atoms, some far outside."""
    generator = torch.Generator().manual_seed(seed)
    atoms = torch.randn(d, k, generator=generator, dtype=torch.float64)
    inside = torch.rand(n, k, generator=generator, dtype=torch.float64) @ atoms.T
    noise = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return atoms, inside * torch.linspace(0, 2, n)[:, None] + noise


@pytest.mark.parametrize(("d", "k"), [(30, 5), (30, 29), (64, 20)])
def test_the_answers_are_scipys(d, k):
    atoms, x = problem(d, k, 40)
    found = nnls(atoms.T @ atoms, x @ atoms)
    for token, code in zip(x, found, strict=True):
        expected, _ = reference(atoms.numpy(), token.numpy())
        np.testing.assert_allclose(code.numpy(), expected, atol=1e-6)
        assert np.array_equal(code.numpy() == 0, expected == 0)


def test_more_atoms_than_dimensions_leave_as_little_as_scipy_leaves():
    atoms, x = problem(12, 40, 30)
    found = nnls(atoms.T @ atoms, x @ atoms)
    assert bool((found >= 0).all())
    for token, code in zip(x, found, strict=True):
        _, left = reference(atoms.numpy(), token.numpy())
        assert float((token - atoms @ code).norm()) == pytest.approx(left, abs=1e-4)


def test_each_token_may_have_atoms_of_its_own():
    grams, targets, alone = [], [], []
    for seed in range(6):
        atoms, x = problem(20, 8, 1, seed)
        grams.append(atoms.T @ atoms)
        targets.append(x[0] @ atoms)
        alone.append(nnls(grams[-1], targets[-1][None])[0])
    torch.testing.assert_close(nnls(torch.stack(grams), torch.stack(targets)), torch.stack(alone))


def test_what_is_alone_is_what_is_in_company(monkeypatch):
    atoms, x = problem(40, 25, 60)
    gram, target = atoms.T @ atoms, x @ atoms
    whole = nnls(gram, target)
    monkeypatch.setattr(module, "ELEMENTS", 7 * 25 * 25)
    torch.testing.assert_close(nnls(gram, target), whole, rtol=1e-9, atol=1e-12)


def test_the_last_resort_gives_the_same(monkeypatch):
    atoms, x = problem(30, 20, 10)
    gram, target = atoms.T @ atoms, x @ atoms
    expected = nnls(gram, target)
    monkeypatch.setattr(module, "ROUNDS", 0)
    torch.testing.assert_close(nnls(gram, target), expected, rtol=1e-5, atol=1e-6)


def test_nothing_to_explain_has_no_code():
    gram = torch.eye(4).double()
    assert torch.equal(nnls(gram, torch.zeros(2, 4)), torch.zeros(2, 4))
    assert torch.equal(nnls(gram, -torch.ones(2, 4)), torch.zeros(2, 4))
    assert nnls(gram, torch.zeros(0, 4)).shape == (0, 4)
