"""Gradient descent on what decides a swap, with the language model frozen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from saebench.errors import SubjectFailed
from saebench.tasks.ravel.pairs import Pair
from saebench.tasks.ravel.stand import Stand

COLDEST = 1e-4
"""Temperature of the last step; the first has 1 (SAEBench; Karvonen et al. 2025)."""


def learn(
    weight: Tensor,
    swap: Callable[[Tensor, Tensor, float], Tensor],
    stand: Stand,
    pairs: Sequence[Pair],
    *,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed: int,
) -> None:
    """Change `weight` in place so that the model says what each pair wants.

    Loss: cross-entropy of the logits behind the base prompt against the wanted token, mean over a batch. Adam. The
    temperature falls from 1 to 1e-4 in equal ratios over all steps. The order of pairs comes from `seed` alone.

    Args:
        weight: a leaf tensor that asks for a gradient.
        swap: (rows of bases, rows of sources, temperature) to `[b, width]`.
        stand: where pairs are run.
        pairs: both kinds.
        epochs, batch, learning_rate: of the descent.
        seed: of the order.

    Raises:
        SubjectFailed: a loss is not finite.
    """
    bases, sources, targets = stand.rows(pairs)
    generator = np.random.default_rng(seed)
    orders = [torch.from_numpy(generator.permutation(len(pairs))) for _ in range(epochs)]
    steps = [chosen for order in orders for chosen in torch.split(order, batch)]
    temperatures = np.logspace(0.0, np.log10(COLDEST), len(steps))
    optimiser = torch.optim.Adam([weight], lr=learning_rate)
    for chosen, temperature in zip(steps, temperatures, strict=True):
        with torch.enable_grad():
            values = swap(bases[chosen], sources[chosen], float(temperature))
            logits = stand.logits(bases[chosen], values)
            loss = torch.nn.functional.cross_entropy(logits, targets[chosen].to(logits.device))
        if not bool(torch.isfinite(loss)):
            raise SubjectFailed("the loss of its mask is not finite")
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
