"""k-means, and residual vector quantisation: k-means of what k-means leaves."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from saebench.baselines.quantised import QuantisedDictionary, nearest
from saebench.baselines.recipe import Ground, Recipe, at_most
from saebench.baselines.sample import sample
from saebench.errors import UsageError

BATCH = 4096
EPOCHS = 20


class KmeansRecipe(Recipe):
    """Parameters of `baseline:kmeans`."""

    name: ClassVar[str] = "kmeans"
    d_dict: int
    """Centroids; L0 is 1."""
    tokens: int = 100_000
    """Tokens that it is fitted on."""
    seed: int = 0

    def check(self, width: int) -> None:
        at_most(self.d_dict, self.tokens, "d_dict")

    def fit(self, ground: Ground) -> QuantisedDictionary:
        return quantise(self, ground, stages=1)


class RvqRecipe(Recipe):
    """Parameters of `baseline:rvq`."""

    name: ClassVar[str] = "rvq"
    d_dict: int
    """Centroids of all stages together."""
    stages: int
    """Stages, each with d_dict / stages centroids, one of which is on: the L0. Default the suite's l0."""
    tokens: int = 100_000
    """Tokens that it is fitted on."""
    seed: int = 0

    @classmethod
    def complete(cls, given: Mapping[str, Any], defaults: Mapping[str, Any], width: int) -> dict[str, Any]:
        return super().complete(given, {**defaults, "stages": defaults.get("l0")}, width)

    def check(self, width: int) -> None:
        at_most(self.stages, self.d_dict, "stages")
        if self.d_dict % self.stages:
            raise UsageError(f"d_dict {self.d_dict} cannot be dealt evenly to {self.stages} stages")

    def fit(self, ground: Ground) -> QuantisedDictionary:
        return quantise(self, ground, stages=self.stages)


def quantise(recipe: KmeansRecipe | RvqRecipe, ground: Ground, stages: int) -> QuantisedDictionary:
    """Centroids of each stage in turn; the seed of stage s is `seed + s`."""
    size = recipe.d_dict // stages
    x = sample(ground, recipe.tokens, recipe.seed, at_least=size)
    mean = ground.data.mean().to(x)
    residual = x - mean
    total = float(residual.square().sum())
    books, unexplained = [], []
    for stage in range(stages):
        books.append(clusters(residual, size, recipe.seed + stage))
        residual -= books[-1][nearest(residual, books[-1])]
        unexplained.append(float(residual.square().sum()) / total if total else 0.0)
    place = ground.place(recipe.name, len(x), recipe.seed, unexplained_after_stage=unexplained)
    return QuantisedDictionary(mean, torch.cat(books), stages, **place)


def clusters(x: Tensor, size: int, seed: int) -> Tensor:
    """`size` centroids of `x` `[n, d]`, by k-means++ and mini-batches of `BATCH`."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    model = MiniBatchKMeans(size, batch_size=BATCH, max_iter=EPOCHS, n_init=1, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x.cpu().numpy())
    return torch.from_numpy(model.cluster_centers_).to(x)
