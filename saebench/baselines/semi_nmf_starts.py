"""Coefficients from which a semi-non-negative factorisation starts: random, k-means, or singular vectors."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from saebench.baselines.quantised import nearest

Start = Literal["random", "knn", "svd"]
LEAST = 1e-6
"""No start holds a zero: the multiplicative rule would never leave it."""
ROUNDS = 15
"""Of k-means."""


def start(kind: Start, x: Tensor, k: int, seed: int) -> Tensor:
    """G `[N, K]` for activations `x` `[N, d]` (the transpose of A), positive, in the dtype of `x`."""
    made = {"random": uniform, "knn": one_hot, "svd": singular}[kind](x, k, seed)
    return made.to(x).clamp(min=LEAST)


def uniform(x: Tensor, k: int, seed: int) -> Tensor:
    """Drawn from U(0, 1)."""
    return torch.rand(len(x), k, generator=torch.Generator().manual_seed(seed))


def one_hot(x: Tensor, k: int, seed: int) -> Tensor:
    """1 at the cluster of the token after 15 rounds of k-means from k tokens; an empty cluster becomes a token."""
    generator = torch.Generator().manual_seed(seed)
    centroids = x[torch.randperm(len(x), generator=generator)[:k].to(x.device)]
    for _ in range(ROUNDS):
        near = nearest(x, centroids)
        sums = torch.zeros_like(centroids).index_add_(0, near, x)
        counts = torch.bincount(near, minlength=k)
        again = torch.randint(len(x), (k,), generator=generator).to(x.device)
        centroids = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], x[again])
    clusters: Tensor = torch.nn.functional.one_hot(nearest(x, centroids), k)
    return clusters


def singular(x: Tensor, k: int, seed: int) -> Tensor:
    """V sqrt(S) of A = U S V^T, k columns, the sign of each chosen so that it sums to something positive."""
    wide = x.double()
    values, vectors = torch.linalg.eigh(wide.T @ wide)
    size = values.flip(0)[:k].clamp(min=0).sqrt()
    columns = wide @ vectors.flip(1)[:, :k]
    columns = columns * torch.where(columns.sum(0) < 0, -1, 1)
    scaled: Tensor = columns / size.clamp(min=LEAST * float(size[0])).sqrt()
    return scaled
