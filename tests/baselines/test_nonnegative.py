"""NMF and SNMF as dictionaries: exact non-negative codes, parts that come back, sites that are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from saebench.activations.sets import ActivationSet
from saebench.baselines.nmf import NmfRecipe
from saebench.baselines.recipe import Ground
from saebench.baselines.snmf import SnmfRecipe
from saebench.errors import DataError, SiteError, UsageError


def parts(n: int = 800, d: int = 24, k: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Non-negative sums of parts that do not overlap."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.zeros(k, d)
    for part in range(k):
        directions[part, part * d // k : (part + 1) * d // k] = torch.rand(d // k, generator=generator) + 0.1
    amounts = torch.rand(n, k, generator=generator) * (torch.rand(n, k, generator=generator) < 0.4)
    return amounts @ directions, directions / directions.norm(dim=1, keepdim=True)


@pytest.mark.parametrize(
    "recipe",
    [NmfRecipe(d_dict=6), SnmfRecipe(d_dict=6, p=1 / 6, start="knn", iterations=2000)],
    ids=lambda one: one.name,
)
def test_parts_come_back(recipe):
    x, directions = parts()
    made = recipe.fit(Ground(ActivationSet.from_tensor(x)))
    assert bool(((directions @ made.atoms.T).max(1).values > 0.99).all())
    torch.testing.assert_close(made.atoms.norm(dim=1), torch.ones(6))


def test_codes_of_new_tokens_are_the_non_negative_least_squares():
    x, _ = parts()
    made = SnmfRecipe(d_dict=9, p=0.2, iterations=30).fit(Ground(ActivationSet.from_tensor(x)))
    new = torch.randn(20, 24, generator=torch.Generator().manual_seed(1))
    codes = made.encode(new).dense()
    for token, code in zip(new.double(), codes, strict=True):
        expected, _ = nnls(made.atoms.T.double().numpy(), token.numpy())
        np.testing.assert_allclose(code.numpy(), expected, atol=1e-5)


def test_features_of_snmf_are_sparse():
    x = torch.randn(300, 50, generator=torch.Generator().manual_seed(0))
    made = SnmfRecipe(d_dict=7, p=0.1, iterations=20).fit(Ground(ActivationSet.from_tensor(x)))
    assert (made.atoms != 0).sum(1).tolist() == [5] * 7


def test_each_level_of_a_hierarchy_is_a_dictionary():
    x, _ = parts()
    data = Ground(ActivationSet.from_tensor(x))
    recipe = SnmfRecipe(d_dict=6, p=1.0, coarser="4+2", iterations=50, steps=50)
    sizes = [recipe.model_copy(update={"level": level}).fit(data).d_dict for level in range(3)]
    assert sizes == [6, 4, 2]
    fit = recipe.fit(data).provenance.extra["fit"]
    assert fit["loss"] <= fit["untuned_loss"]


def test_nmf_takes_more_atoms_than_dimensions():
    """Nine non-negative atoms in four dimensions leave little unexplained: four of them, the axes, would do."""
    x = torch.rand(200, 4, generator=torch.Generator().manual_seed(3))
    made = NmfRecipe(d_dict=9).fit(Ground(ActivationSet.from_tensor(x)))
    assert made.d_dict == 9
    assert float((made.decode(made.encode(x)) - x).square().sum() / x.square().sum()) < 0.02


def test_nmf_refuses_activations_of_both_signs():
    data = ActivationSet.from_tensor(torch.randn(50, 8), site="blocks.2.hook_resid_post")
    with pytest.raises(SiteError, match=r"blocks\.2\.hook_resid_post: .* negative.*baseline:snmf"):
        NmfRecipe(d_dict=4).fit(Ground(data))


@pytest.mark.parametrize("recipe", [NmfRecipe(d_dict=4), SnmfRecipe(d_dict=4)], ids=lambda one: one.name)
def test_activations_that_are_not_finite_are_refused(recipe):
    x = torch.rand(50, 8)
    x[3, 2] = torch.nan
    with pytest.raises(DataError, match="1 of 50 activations are NaN or infinite"):
        recipe.fit(Ground(ActivationSet.from_tensor(x)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"d_dict": 20, "start": "svd"}, "start=svd must lie between 1 and 16"),
        ({"coarser": "50+60"}, "ranks of a hierarchy fall"),
        ({"coarser": "50,25"}, "as 50\\+25, not '50,25'"),
        ({"level": 1}, "level 1 of a hierarchy of 1"),
        ({"d_dict": 100, "tokens": 50}, "d_dict must lie between 1 and 50"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_fitted(settings, message):
    with pytest.raises(UsageError, match=message):
        SnmfRecipe(**settings).check(16)
