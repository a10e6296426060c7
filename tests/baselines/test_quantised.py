"""k-means and residual vector quantisation."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from planted_activations import sparse_sums, unexplained

from saebench.activations.sets import ActivationSet
from saebench.baselines.kmeans import KmeansRecipe, RvqRecipe
from saebench.baselines.quantised import QuantisedDictionary
from saebench.baselines.recipe import Ground
from saebench.errors import UsageError


def test_separate_clusters_are_found_and_each_token_is_its_centroid():
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(6, 10, generator=generator) * 10
    x = centres.repeat(50, 1) + 0.01 * torch.randn(300, 10, generator=generator)
    made = KmeansRecipe(d_dict=6).fit(Ground(ActivationSet.from_tensor(x)))
    codes = made.encode(x)
    assert bool((codes.l0() == 1).all())
    assert bool((codes.values == 1).all())
    torch.testing.assert_close(made.decode(codes), centres.repeat(50, 1), atol=0.02, rtol=0)


def test_the_chosen_centroid_is_the_nearest():
    x, _ = sparse_sums(500, 12, 30, 3)
    made = KmeansRecipe(d_dict=20).fit(Ground(ActivationSet.from_tensor(x)))
    distances = torch.cdist((x - made.mean).double(), made.centroids.double())
    assert torch.equal(made.encode(x).latents[:, 0], distances.argmin(1))


def test_each_stage_explains_more_and_the_next_stage_sees_what_is_left():
    x, _ = sparse_sums(600, 12, 30, 3)
    made = RvqRecipe(d_dict=64, stages=4).fit(Ground(ActivationSet.from_tensor(x)))
    codes = made.encode(x)
    assert bool((codes.l0() == 4).all())
    assert torch.equal(codes.latents // 16, torch.arange(4).expand(600, 4)), "one latent of each stage"
    left = made.provenance.extra["fit"]["unexplained_after_stage"]
    assert all(after < before for before, after in pairwise(left))
    assert unexplained(x, made.decode(codes)) == pytest.approx(left[-1], rel=1e-4)
    residual = x - made.mean - made.centroids[codes.latents[:, 0]]
    second = QuantisedDictionary(torch.zeros(12), made.centroids[16:32])
    assert torch.equal(second.encode(residual).latents[:, 0] + 16, codes.latents[:, 1])


def test_stages_share_centroids_evenly():
    with pytest.raises(UsageError, match="10 cannot be dealt evenly to 4 stages"):
        RvqRecipe(d_dict=10, stages=4).check(8)
    with pytest.raises(UsageError, match="stages must lie between 1 and 3"):
        RvqRecipe(d_dict=3, stages=4).check(8)
    with pytest.raises(UsageError, match="3 centroids cannot be dealt to 2 stages"):
        QuantisedDictionary(torch.zeros(4), torch.ones(3, 4), 2)
