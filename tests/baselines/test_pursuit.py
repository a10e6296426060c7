"""Matching pursuit: a table worked out by hand, scikit-learn's orthogonal pursuit, and what must hold in any case."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from sklearn.linear_model import orthogonal_mp_gram

from saebench.baselines import pursuit as module
from saebench.baselines.pursuit import Pursuit, gram_of, pursue
from saebench.errors import UsageError

ATOMS = torch.tensor([[1, 0, 0], [0.6, 0.8, 0], [0, 0.6, 0.8]], dtype=torch.float64)
X = torch.tensor([[1, 2, -0.5]], dtype=torch.float64)
TABLE = [
    ("signed", "none", 1, (0, 2.2, 0), 0.41),
    ("signed", "none", 2, (-0.32, 2.2, 0), 0.3076),
    ("signed", "none", 3, (-0.32, 2.2, -0.256), 0.242064),
    ("signed", "lstsq", 1, (0, 2.2, 0), 0.41),
    ("signed", "lstsq", 2, (-0.5, 2.5, 0), 0.25),
    ("signed", "lstsq", 3, (-0.78125, 2.96875, -0.625), 0),
    ("positive", "none", 1, (0, 2.2, 0), 0.41),
    ("positive", "none", 2, (0, 2.2, 0), 0.41),
    ("positive", "none", 3, (0, 2.2, 0), 0.41),
]
WAYS = [("signed", "none"), ("signed", "lstsq"), ("positive", "none"), ("positive", "lstsq"), ("positive", "nnls")]


def drawn(n: int = 60, d: int = 24, width: int = 80) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    atoms = torch.randn(width, d, generator=generator, dtype=torch.float64)
    return torch.randn(n, d, generator=generator, dtype=torch.float64), atoms / atoms.norm(dim=1, keepdim=True)


def left(x: torch.Tensor, codes, atoms: torch.Tensor) -> torch.Tensor:
    return (x - codes.project(atoms)).square().sum(1)


@pytest.mark.parametrize("keep", [True, False], ids=["gram", "no gram"])
@pytest.mark.parametrize(("sign", "refit", "l0", "code", "error"), TABLE)
def test_three_atoms_by_hand(sign, refit, l0, code, error, keep):
    codes = pursue(X, ATOMS, Pursuit(l0, sign, refit), gram_of(ATOMS) if keep else None)
    assert codes.dense()[0].tolist() == pytest.approx(code, abs=1e-12)
    assert float(left(X, codes, ATOMS)) == pytest.approx(error, abs=1e-12)


def test_orthogonal_pursuit_is_scikit_learns():
    x, atoms = drawn()
    codes = pursue(x, atoms, Pursuit(7, "signed", "lstsq"), gram_of(atoms)).dense().numpy()
    expected = orthogonal_mp_gram((atoms @ atoms.T).numpy(), (atoms @ x.T).numpy(), n_nonzero_coefs=7).T
    np.testing.assert_allclose(codes, expected, atol=1e-10)


def test_a_non_negative_refit_is_the_best_on_its_atoms():
    x, atoms = drawn()
    codes = pursue(x, atoms, Pursuit(6, "positive", "nnls"))
    assert bool((codes.values >= 0).all())
    for token in range(len(x)):
        _, norm = nnls(atoms[codes.latents[token]].T.numpy(), x[token].numpy())
        assert float(left(x, codes, atoms)[token]) == pytest.approx(norm**2, abs=1e-6)


@pytest.mark.parametrize(("sign", "refit"), WAYS)
def test_every_step_leaves_less_and_l0_is_a_bound(sign, refit):
    x, atoms = drawn()
    errors = [left(x, pursue(x, atoms, Pursuit(l0, sign, refit)), atoms) for l0 in range(1, 12)]
    for before, after in pairwise(errors):
        assert bool((after <= before + 1e-9).all())
    codes = pursue(x, atoms, Pursuit(11, sign, refit))
    assert float(codes.l0().max()) <= 11
    assert torch.equal(codes.l0(), (codes.dense() != 0).sum(1).float()), "an atom stands in one slot"
    if not Pursuit(1, sign, refit).signed:
        assert bool((codes.values >= 0).all())


def test_the_squared_residual_of_plain_pursuit_loses_the_square_of_each_gain():
    x, atoms = drawn()
    residual = x.clone()
    for l0 in range(1, 40):
        gain, chosen = (residual @ atoms.T).max(1)
        residual -= gain[:, None] * atoms[chosen]
        codes = pursue(x, atoms, Pursuit(l0, "positive"))
        torch.testing.assert_close(left(x, codes, atoms), residual.square().sum(1))
    assert float(codes.l0().max()) < 39, "some atom was chosen twice, and got both gains"


@pytest.mark.parametrize(("sign", "refit"), WAYS)
@pytest.mark.parametrize("keep", [True, False], ids=["gram", "no gram"])
def test_what_is_alone_is_what_is_in_company(sign, refit, keep, monkeypatch):
    x, atoms = drawn()
    gram = gram_of(atoms) if keep else None
    whole = pursue(x, atoms, Pursuit(8, sign, refit), gram).dense()
    monkeypatch.setattr(module, "ELEMENTS", 5 * len(atoms) * 8)
    torch.testing.assert_close(pursue(x, atoms, Pursuit(8, sign, refit), gram).dense(), whole, rtol=1e-7, atol=1e-9)
    alone = torch.cat([pursue(row[None], atoms, Pursuit(8, sign, refit), gram).dense() for row in x])
    torch.testing.assert_close(alone, whole, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("sign", "refit"), WAYS)
def test_a_token_that_is_explained_has_no_more_codes(sign, refit):
    atoms = torch.eye(6)
    x = torch.tensor([[3.0, 0, 2, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
    codes = pursue(x, atoms, Pursuit(6, sign, refit), gram_of(atoms))
    assert codes.l0().tolist() == [2, 0]
    torch.testing.assert_close(codes.dense(), x)


def test_two_equal_atoms_do_no_harm():
    atoms = torch.tensor([[1.0, 0], [1.0, 0], [0.6, 0.8]])
    x = torch.tensor([[1.0, 0.7]])
    codes = pursue(x, atoms, Pursuit(3, "signed", "lstsq"))
    torch.testing.assert_close(codes.project(atoms), x)
    assert bool(codes.values.isfinite().all())


@pytest.mark.parametrize(("sign", "refit"), WAYS)
def test_half_precision_chooses_as_single_precision_does(sign, refit):
    x, atoms = (one.bfloat16() for one in drawn())
    half = pursue(x, atoms, Pursuit(4, sign, refit))
    single = pursue(x.float(), atoms.float(), Pursuit(4, sign, refit))
    assert half.values.dtype == torch.bfloat16
    torch.testing.assert_close(half.values.float(), single.values.bfloat16().float())
    assert torch.equal(half.latents, single.latents)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "l0 = 0"),
        ((3, "both"), "positive or signed, not 'both'"),
        ((3, "signed", "ridge"), "not 'ridge'"),
        ((3, "signed", "nnls"), "non-negative refit"),
    ],
)
def test_a_pursuit_that_cannot_be_is_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        Pursuit(*arguments)
