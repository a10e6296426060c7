"""Pairs of matrices to match: unrelated, half shared, and of every degree of likeness, as seeds are."""

from __future__ import annotations

import torch
from torch import Tensor


def draw(n: int, d: int, mode: str, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two matrices `[n, d]`: "random" (unrelated), "half" (half the rows at about 0.89), "seed" (a continuum)."""
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(n, d, generator=generator) for _ in range(2))
    if mode == "half":
        b[: n // 2] = a[: n // 2] + 0.5 * b[: n // 2]
    if mode == "seed":
        b = a + 5 * torch.rand(n, 1, generator=generator) * b
    return a, b[torch.randperm(n, generator=generator)]
