"""Activations whose making is known."""

from __future__ import annotations

import torch


def sparse_sums(
    n: int, d: int, width: int, l0: int, *, signed: bool = True, noise: float = 0.01, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """`[n, d]` sums of `l0` of `width` unit directions `[width, d]`, and the directions."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(width, d, generator=generator)
    directions /= directions.norm(dim=1, keepdim=True)
    chosen = torch.rand(n, width, generator=generator).topk(l0, dim=1).indices
    amounts = 1 + torch.rand(n, l0, generator=generator)
    if signed:
        amounts *= torch.where(torch.rand(n, l0, generator=generator) < 0.5, -1, 1)
    codes = torch.zeros(n, width).scatter_(1, chosen, amounts)
    return codes @ directions + noise * torch.randn(n, d, generator=generator), directions


def unexplained(x: torch.Tensor, x_hat: torch.Tensor) -> float:
    """Squared error as a share of the variance."""
    return float((x - x_hat).square().sum() / (x - x.mean(0)).square().sum())
