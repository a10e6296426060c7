"""The SNMF solver: published losses, what each iteration must keep, starts, and the hierarchy."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from saebench.baselines.semi_nmf import Stopping, factorise, winners
from saebench.baselines.semi_nmf_levels import levels
from saebench.baselines.semi_nmf_starts import LEAST, start

A = torch.tensor(
    [[1, 0, 2, 0, 1, 0], [0, 1, 0, 2, 0, 1], [-1, 0.5, -2, 1, -1, 0.5], [0.1, 0, 0.2, 0.1, 0, -0.1]],
    dtype=torch.float64,
)
G0 = torch.tensor([[1, 0.5], [0.5, 1], [1, 0.2], [0.2, 1], [0.7, 0.3], [0.3, 0.7]], dtype=torch.float64)
LOSSES = {1: 0.8355504, 2: 0.7287984, 3: 0.6453871, 10: 0.2545385, 50: 0.0271503, 200: 0.0265409}
LONG = Stopping(iterations=200, tol=0, patience=200)


def planted(n: int = 300, d: int = 40, k: int = 6, seed: int = 0) -> torch.Tensor:
    """Activations `[n, d]`: non-negative sums of features of either sign, with some noise."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(k, d, generator=generator, dtype=torch.float64)
    amounts = torch.rand(n, k, generator=generator, dtype=torch.float64).pow(4)
    return amounts @ features + 0.05 * torch.randn(n, d, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_losses_of_the_toy_are_those_of_the_authors_code(dtype):
    found = factorise(A.to(dtype), G0.to(dtype), p=1, stopping=LONG)
    for iteration, loss in LOSSES.items():
        assert found.losses[iteration - 1] == pytest.approx(loss, abs=1e-5)


def test_the_toy_ends_at_the_floor_that_no_factorisation_of_its_rank_can_pass():
    floor = float(torch.linalg.svdvals(A)[2:].square().sum())
    found = factorise(A, G0, p=1, stopping=Stopping(iterations=2000, tol=0, patience=2000))
    assert floor <= found.loss
    assert found.loss == pytest.approx(floor, abs=1e-9)


@pytest.mark.parametrize("kind", ["random", "knn", "svd"])
@pytest.mark.parametrize("p", [1, 0.2, 0.01])
def test_what_comes_back_is_what_was_promised(kind, p):
    x = planted()
    found = factorise(x.T, start(kind, x, 6, 0), p=p, stopping=Stopping(iterations=120, tol=0, patience=120))
    assert bool((found.coefficients >= 0).all())
    assert found.finite
    kept = max(1, math.ceil(p * x.shape[1]))
    assert (found.features != 0).sum(0).tolist() == [kept] * 6
    direct = (x.T - found.features @ found.coefficients.T).square().sum()
    assert found.loss == pytest.approx(float(direct), rel=1e-9)
    assert found.loss == min(found.losses), "the best iterate"
    if p == 1:
        assert all(after <= before * (1 + 1e-9) for before, after in pairwise(found.losses)), "non-increasing"


def test_winners_are_the_largest_and_ties_stay():
    features = torch.tensor([[3.0, 1], [-4, 1], [2, 1]])
    assert winners(features, 1).tolist() == [[0, 1], [-4, 1], [0, 1]]
    assert winners(features, 2).tolist() == [[3, 1], [-4, 1], [0, 1]]


def test_it_ends_when_patience_does():
    x = planted()
    found = factorise(x.T, start("random", x, 6, 0), p=1, stopping=Stopping(iterations=500, tol=1e9, patience=7))
    assert len(found.losses) == 8, "the first iteration is progress from nothing, the next seven are none"


def test_an_input_that_is_not_finite_gives_back_the_start_and_says_so():
    broken = A.clone()
    broken[0, 0] = math.nan
    found = factorise(broken, G0, p=1)
    assert not found.finite
    assert found.loss == math.inf
    assert torch.equal(found.coefficients, G0)


def test_an_iteration_that_is_not_finite_leaves_the_best_before_it(monkeypatch):
    from saebench.baselines import semi_nmf

    real, calls = semi_nmf.iterate, []

    def failing(*arguments):
        calls.append(0)
        f, g, loss = real(*arguments)
        return (f * math.nan, g * math.nan, math.inf) if len(calls) == 4 else (f, g, loss)

    monkeypatch.setattr(semi_nmf, "iterate", failing)
    found = factorise(A, G0, p=1)
    assert (found.finite, len(found.losses)) == (False, 4)
    assert found.loss == pytest.approx(LOSSES[3], abs=1e-5)
    assert bool(found.features.isfinite().all())


def test_overflow_of_single_precision_is_noticed():
    found = factorise((A * 1e25).float(), G0.float(), p=1)
    assert not found.finite
    assert factorise(A * 1e25, G0, p=1).finite


def test_starts_are_positive_seeded_and_what_they_say():
    x = planted()
    for kind in ("random", "knn", "svd"):
        made = start(kind, x, 6, 0)
        assert made.shape == (300, 6)
        assert float(made.min()) >= LEAST
        assert torch.equal(made, start(kind, x, 6, 0))
    assert not torch.equal(start("random", x, 6, 0), start("random", x, 6, 1))
    assert start("knn", x, 6, 0).sum(1).tolist() == pytest.approx([1 + 5 * LEAST] * 300)


def test_the_svd_start_is_the_positive_part_of_scaled_singular_vectors():
    x = planted()
    _, values, rows = torch.linalg.svd(x.T, full_matrices=False)
    vectors = rows[:6].T * torch.where(rows[:6].sum(1) < 0, -1, 1)
    torch.testing.assert_close(start("svd", x, 6, 0), (vectors * values[:6].sqrt()).clamp(min=LEAST))


def test_separate_clusters_are_found_by_knn():
    centres = torch.eye(4, 10) * 20
    x = centres.repeat_interleave(25, 0) + 0.1 * torch.randn(100, 10, generator=torch.Generator().manual_seed(0))
    groups = {
        tuple(start("knn", x, 4, seed).argmax(1)[at : at + 25].tolist()) for seed in (0,) for at in (0, 25, 50, 75)
    }
    assert all(len(set(group)) == 1 for group in groups)


def test_a_hierarchy_multiplies_back_to_the_activations():
    x = planted(n=200, d=24, k=8)
    plain = levels(x, [8, 4], p=1, steps=0, stopping=LONG)
    tuned = levels(x, [8, 4], p=1, steps=200, stopping=LONG)
    assert tuned.untuned == plain.loss
    assert tuned.loss < plain.loss
    for made in (plain, tuned):
        assert [tuple(mixture.shape) for mixture in made.mixtures] == [(8, 200), (4, 8)]
        assert all(bool((mixture >= 0).all()) for mixture in made.mixtures)
        torch.testing.assert_close(made.features(1), made.coarsest)
        torch.testing.assert_close(made.features(0), made.coarsest @ made.mixtures[1])
        product = made.features(0) @ made.mixtures[0]
        assert float((x.T - product).square().sum()) == pytest.approx(made.loss)
    best_of_rank = float(torch.linalg.svdvals(x)[4:].square().sum())
    assert best_of_rank <= tuned.loss
