"""The dense rival: a subspace of the site, learned for each attribute on the same pairs, without any dictionary.

Multi-task distributed alignment search (Huang et al. 2024; Geiger et al. 2024): an orthonormal basis Q `[width, rank]`
with x' = x_base + Q Q^T (x_source - x_base), learned by gradient descent on cause and isolation pairs together. It
shows what the site holds for whoever looks for it with labels; a dictionary is held against it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from saebench.tasks.ravel.learning import learn
from saebench.tasks.ravel.pairs import Pair
from saebench.tasks.ravel.stand import Stand


def learn_basis(
    stand: Stand,
    pairs: Sequence[Pair],
    *,
    rank: int,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed: int,
) -> Tensor:
    """Q `[width, rank]`, float32, orthonormal: the QR factor of a matrix that starts as a random orthonormal one."""
    width = stand.entities.shape[1]
    drawn = torch.randn(width, min(rank, width), generator=torch.Generator().manual_seed(seed))
    weight = torch.linalg.qr(drawn).Q.to(stand.entities.device).requires_grad_()
    learn(
        weight,
        lambda base, source, temperature: in_subspace(stand, torch.linalg.qr(weight).Q, base, source),
        stand,
        pairs,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        seed=seed,
    )
    basis: Tensor = torch.linalg.qr(weight.detach()).Q
    return basis


def in_subspace(stand: Stand, basis: Tensor, bases: Tensor, sources: Tensor) -> Tensor:
    """`x_base` with its part in the subspace taken from `x_source`, `[b, width]`."""
    device = stand.entities.device
    base, source = stand.entities[bases.to(device)].float(), stand.entities[sources.to(device)].float()
    return base + (source - base) @ basis @ basis.T
