"""Semi-non-negative matrix factorisation with sparse features (arXiv 2506.10920): A ~ F G^T, G >= 0, F of any sign.

A is `[d, N]`, a column a token; F `[d, K]` holds features, G `[N, K]` how much of each a token has. One iteration:

1. F <- A G (G^T G + 1e-6 I)^-1.
2. Winner take all, in each column of F: the ceil(p d) entries that are largest in magnitude stay (ties too).
3. Each column of G gets norm 1 (c = max(|G_j|, 1e-8)), and c goes into the column of F.
4. G <- G sqrt((P+ + G Q-) / (P- + G Q+ + 1e-6)) with P = A^T F, Q = F^T F, X+ = (|X| + X) / 2, X- = (|X| - X) / 2.
5. The loss |A - F G^T|^2 is taken. With step 2 it may rise: the best pair is kept, and all ends when `patience`
   iterations have not made it smaller by `tol`.

So the G that comes back has no unit columns, and F is optimal for the G before it. The multiplicative rule never
leaves a zero: no start holds one. An iteration that is no longer finite ends it with the best pair so far.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf

import torch
from torch import Tensor

RIDGE = 1e-6
EPSILON = 1e-6
"""In the denominator of step 4 alone."""
SMALLEST_NORM = 1e-8


@dataclass(frozen=True)
class Factors:
    """A factorisation: the best iterate.

    Attributes:
        features: F `[d, K]`.
        coefficients: G `[N, K]`, none negative.
        loss: |A - F G^T|^2 of this pair; infinite where no iteration was finite, and F is zero then.
        losses: of each iteration.
        finite: whether it ended for another reason than NaN or overflow.
    """

    features: Tensor
    coefficients: Tensor
    loss: float
    losses: tuple[float, ...]
    finite: bool


@dataclass(frozen=True)
class Stopping:
    """When it ends.

    Attributes:
        iterations: at most so many.
        tol: a loss that is smaller by less than this is no progress.
        patience: iterations without progress.
    """

    iterations: int = 500
    tol: float = 1e-4
    patience: int = 100


UPSTREAM = Stopping()
"""What the authors' function does where nothing is said."""


def factorise(activations: Tensor, start: Tensor, *, p: float = 0.01, stopping: Stopping = UPSTREAM) -> Factors:
    """Iterate from given coefficients; features need no start, because step 1 makes them.

    Args:
        activations: A `[d, N]`; in float64 where float32 would overflow.
        start: G `[N, K]`, positive.
        p: part of the entries of a feature that stay.
        stopping: when it ends.
    """
    keep = max(1, ceil(p * len(activations)))
    square = float(torch.linalg.vector_norm(activations, dtype=torch.float64)) ** 2
    g = start
    best, least = (activations.new_zeros(len(activations), g.shape[1]), g), inf
    losses: list[float] = []
    waiting = 0
    while len(losses) < stopping.iterations and waiting < stopping.patience:
        f, g, loss = iterate(activations, g, keep, square)
        losses.append(loss)
        if not loss < inf:
            break
        better = loss < least - stopping.tol
        if better:
            best, least = (f, g), loss
        waiting = 0 if better else waiting + 1
    return Factors(*best, least, tuple(losses), all(loss < inf for loss in losses[-1:]))


def iterate(activations: Tensor, g: Tensor, keep: int, square: float) -> tuple[Tensor, Tensor, float]:
    """One iteration: features, coefficients and the loss, from |A|^2 - 2 <P, G> + <Q, G^T G> (`square` is |A|^2)."""
    ridge = RIDGE * torch.eye(g.shape[1], dtype=g.dtype, device=g.device)
    f = torch.linalg.solve_ex(g.T @ g + ridge, activations @ g, left=False)[0]
    f = winners(f, keep)
    c = g.norm(dim=0).clamp(min=SMALLEST_NORM)
    g, f = g / c, f * c
    product, gram = activations.T @ f, f.T @ f
    numerator = product.clamp(min=0) + g @ (-gram).clamp(min=0)
    denominator = (-product).clamp(min=0) + g @ gram.clamp(min=0) + EPSILON
    g = g * (numerator / denominator).sqrt()
    shared = (gram.double() * (g.T @ g).double()).sum() - 2 * (product * g).sum(dtype=torch.float64)
    return f, g, max(square + float(shared), 0.0) if bool(shared.isfinite()) else inf


def winners(features: Tensor, keep: int) -> Tensor:
    """Each column `[d, K]` with its `keep` entries that are largest in magnitude, ties too; zero elsewhere."""
    size = features.abs()
    threshold = size.topk(keep, dim=0).values[-1]
    return torch.where(size >= threshold, features, 0)
