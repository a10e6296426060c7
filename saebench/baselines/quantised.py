"""Vector quantisation: the nearest centroid, then the nearest centroid of what that leaves, and so on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from saebench.dictionaries.codes import Codes, SparseCodes
from saebench.dictionaries.contract import Context, Traits
from saebench.dictionaries.fixed import FixedDictionary
from saebench.errors import UsageError


@dataclass(eq=False)
class QuantisedDictionary(FixedDictionary):
    """One latent of each stage is on, with code 1: stage s holds the centroid that is nearest to r_s.

    r_1 = x - mean, r_{s+1} = r_s - its centroid; the reconstruction is the mean and all chosen centroids. With one
    stage this is k-means, with L0 = 1.

    Args:
        mean: `[d]`.
        centroids: `[F, d]`, `F / stages` of each stage, in order.
        stages: how many there are.
    """

    kind: ClassVar[str] = "quantised"
    mean: Tensor
    centroids: Tensor
    stages: int = 1

    def __post_init__(self) -> None:
        if self.stages < 1 or len(self.centroids) % self.stages:
            raise UsageError(f"{len(self.centroids)} centroids cannot be dealt to {self.stages} stages")
        self.describe(len(self.mean), len(self.centroids))
        self.traits = Traits(ordered_latents=self.stages > 1, scale_sensitive=True)

    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        residual = x - self.mean
        books = self.centroids.view(self.stages, -1, self.d_in)
        chosen = []
        for book in books:
            chosen.append(nearest(residual, book))
            residual = residual - book[chosen[-1]]
        first = torch.arange(self.stages, device=x.device) * books.shape[1]
        latents = torch.stack(chosen, 1) + first
        return SparseCodes(torch.ones_like(latents, dtype=x.dtype), latents, self.d_dict)

    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        return codes.project(self.centroids) + self.mean

    @property
    def atoms(self) -> Tensor:
        return self.centroids


def nearest(x: Tensor, centroids: Tensor) -> Tensor:
    """Which of the centroids `[F, d]` is nearest to each row of `x` `[n, d]`."""
    return (x @ centroids.T - centroids.square().sum(1) / 2).argmax(1)
