"""A hierarchy of factorisations: features of features, down to a few (arXiv 2506.10920, deep semi-NMF).

A ~ Z_0 Y_0, then Z_0 ~ Z_1 Y_1 with fewer features, and so on: A ~ Z_L Y_L ... Y_0 with every Y >= 0. Then all factors
are tuned together by Adam on the mean squared error, Y kept at 0 or above after each step. The features of level l,
as many as its rank, are Z_L Y_L ... Y_{l+1}: sums of coarser ones. After tuning no factor is sparse by force.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from saebench.baselines.semi_nmf import UPSTREAM, Stopping, factorise
from saebench.baselines.semi_nmf_starts import Start, start

LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Levels:
    """A hierarchy.

    Attributes:
        coarsest: Z_L `[d, K_L]`.
        mixtures: Y_0 `[K_0, N]`, then Y_l `[K_l, K_{l-1}]`, none negative.
        loss: |A - Z_L Y_L ... Y_0|^2.
        untuned: the same before the factors were tuned together.
    """

    coarsest: Tensor
    mixtures: tuple[Tensor, ...]
    loss: float
    untuned: float

    def features(self, level: int) -> Tensor:
        """`[d, K_level]`: level 0 is the finest."""
        return chain(self.coarsest, self.mixtures[level + 1 :])


def chain(coarsest: Tensor, mixtures: Sequence[Tensor]) -> Tensor:
    """Z_L Y_L ... Y_l, for mixtures Y_l, ..., Y_L."""
    return reduce(torch.matmul, reversed(mixtures), coarsest)


def levels(
    x: Tensor,
    ranks: Sequence[int],
    *,
    p: float = 0.01,
    kind: Start = "random",
    seed: int = 0,
    stopping: Stopping = UPSTREAM,
    steps: int = 500,
) -> Levels:
    """Factorise `x` `[N, d]` level by level, then tune.

    Args:
        x: activations, a row a token.
        ranks: number of features of each level, falling.
        p: part of the entries of a feature that stay, at each level, before tuning.
        kind: how each level starts.
        seed: of the starts.
        stopping: when each level ends.
        steps: of tuning; where the error is no less after them, what was there before is kept.
    """
    coarsest, mixtures = x.T, []
    for rank in ranks:
        found = factorise(coarsest, start(kind, coarsest.T, rank, seed), p=p, stopping=stopping)
        coarsest = found.features
        mixtures.append(found.coefficients.T)
    untuned = error(x, coarsest, mixtures)
    if steps:
        tuned = tune(x, [coarsest, *mixtures], steps)
        loss = error(x, tuned[0], tuned[1:])
        if loss < untuned:
            return Levels(tuned[0], tuple(tuned[1:]), loss, untuned)
    return Levels(coarsest, tuple(mixtures), untuned, untuned)


def error(x: Tensor, coarsest: Tensor, mixtures: Sequence[Tensor]) -> float:
    """Squared error of the whole product."""
    residual = x.T - chain(coarsest, mixtures)
    return float(residual.square().sum(dtype=torch.float64))


def tune(x: Tensor, factors: Sequence[Tensor], steps: int) -> list[Tensor]:
    """All factors after `steps` of Adam; those after the first stay non-negative."""
    with torch.enable_grad():
        moving = [factor.detach().clone().requires_grad_() for factor in factors]
        adam = torch.optim.Adam(moving, lr=LEARNING_RATE)
        for _ in range(steps):
            adam.zero_grad()
            torch.autograd.backward((x.T - chain(moving[0], moving[1:])).square().mean())
            adam.step()
            with torch.no_grad():
                for mixture in moving[1:]:
                    mixture.clamp_(min=0)
    return [factor.detach() for factor in moving]
