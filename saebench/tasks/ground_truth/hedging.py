"""The hedging rate of Chanin et al. 2025 (arXiv 2505.11756): do latents move into what new latents could hold?

A dictionary that is too narrow merges features that fire together. It is trained on twice, with the same batches and
from the same weights: once as it is (control), once with N new latents beside the old ones (extended). What the old
latents held for want of room, new latents take over, and old atoms move by it: with atoms at norm 1,
delta_i = w_i (extended) - w_i (control). Its part in the span of the new atoms, p = mean |P delta_i| / mean |w_i|, is
held against b, the same for the span of N random directions:

    hedging rate = (p - b) / (1 - b)

What the two trainings differ in by chance lies in every direction alike, so that p is near b for it.

The rate is a length, not a share. Both p and b are near 0 where delta is: where nothing was hedged, and likewise where
so few steps at so low a rate moved nothing. It grows with the budget, and holds for that budget alone. Where no new
latent fires in the end, nothing could have moved into them, and there is no rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.linalg import qr
from torch import Tensor

from saebench.activations.sets import ActivationSet
from saebench.dictionaries.autoencoder import SparseAutoencoder
from saebench.dictionaries.contract import Dictionary
from saebench.errors import SubjectFailed, UsageError
from saebench.fingerprint import digest
from saebench.training import TrainSettings, continue_training
from saebench.training.continuing import composition_of

Array = np.ndarray[Any, Any]

BATCH = 1024
"""Samples of a step."""
DRAWS = 50
"""Sets of random directions."""
PUBLISHED = 64
"""New latents of the paper, in 2,304 dimensions."""
SHARE = 8
"""Where 64 new latents would span more than this part of the dimensions, there are as many as span it."""
SHOWN = 8
"""Batches on which the two trainings are looked at when they are over."""


@dataclass(frozen=True, eq=False)
class Moved:
    """How far the old latents were moved by new ones beside them.

    Attributes:
        projected: length of each delta in the span of the new atoms, `[L]`.
        random: the same for random directions, mean of the draws, `[L]`.
        norm: of each atom of the control, `[L]`: 1.
        length: of each delta, `[L]`.
        rank: dimensions of the span.
    """

    projected: Array
    random: Array
    norm: Array
    length: Array
    rank: int


def moved(control: Array, extended: Array, seed: int) -> Moved:
    """Hold two trainings against each other.

    Args:
        control: atoms `[L, d]`.
        extended: atoms `[L + N, d]`, N > 0, the old ones first.
        seed: of the random directions, which depend on N, d and this alone.
    """
    before, after = unit(control), unit(extended)
    delta = after[: len(before)] - before
    new = after[len(before) :]
    draw = np.random.Generator(np.random.PCG64([seed_of(seed, "directions"), *new.shape]))
    drawn = (np.linalg.norm(delta @ span(draw.standard_normal(new.shape)), axis=1) for _ in range(DRAWS))
    basis = span(new)
    return Moved(
        projected=np.linalg.norm(delta @ basis, axis=1),
        random=np.mean(list(drawn), axis=0),
        norm=np.linalg.norm(before, axis=1),
        length=np.linalg.norm(delta, axis=1),
        rank=basis.shape[1],
    )


def span(rows: Array) -> Array:
    """An orthonormal basis `[d, rank]` of the span of rows `[n, d]`, by QR with pivoting.

    The rank is the number of pivots above max(n, d) eps times the largest.
    """
    basis, triangle, _ = qr(rows.T, mode="economic", pivoting=True)
    pivots = np.abs(np.diag(triangle))
    least = max(rows.shape) * np.finfo(np.float64).eps * pivots.max(initial=0.0)
    kept: Array = basis[:, : int((pivots > least).sum())]
    return kept


def unit(rows: Array) -> Array:
    """Rows at norm 1, float64; zero rows stay."""
    wide = rows.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    scaled: Array = np.divide(wide, norms, out=np.zeros(wide.shape), where=norms > 0)
    return scaled


def seed_of(seed: int, purpose: str) -> int:
    """A seed for one purpose."""
    return int(digest([seed, "hedging", purpose])[:8], 16)


def array(dictionary: SparseAutoencoder) -> Array:
    """Atoms `[L, d]`."""
    atoms: Array = dictionary.atoms.cpu().double().numpy()
    return atoms


def added_to(width: int) -> int:
    """New latents where nothing is said: 64 as published, or an eighth of the site's dimensions where that is less."""
    return max(1, min(PUBLISHED, width // SHARE))


def obstacle(dictionary: Dictionary, steps: int, added: int) -> str:
    """Why a dictionary has no hedging rate; "" where it has one."""
    if not steps:
        return "hedging_steps is 0"
    if added >= dictionary.d_in:
        return f"{added} new latents span all {dictionary.d_in} dimensions: nothing could move outside of them"
    try:
        composition_of(dictionary, added)
    except UsageError as error:
        return f"it cannot be trained on: {error}"
    return ""


@dataclass(frozen=True)
class Budget:
    """What the two trainings are given.

    Attributes:
        steps: batches of 1,024 samples, in an order drawn from the seed, as many epochs as it takes.
        added: new latents.
        seed: of batches, new latents and random directions.
    """

    steps: int
    added: int
    seed: int


def trained_twice(
    dictionary: Dictionary, data: ActivationSet, budget: Budget, device: torch.device
) -> tuple[Moved, dict[str, Any]]:
    """Train a dictionary on as it is and with new latents; what they moved, and details of the two trainings.

    The rate is the architecture's own and constant.

    Raises:
        UsageError: the dictionary cannot be trained on.
        SubjectFailed: the loss was not finite, no new latent fires in the end, or atoms moved so far that the rate
            means nothing.
    """
    settings = TrainSettings(steps=budget.steps, warm_up=0, decay=0, device=str(device))

    def batches() -> Any:
        return data.batches(BATCH, seed=seed_of(budget.seed, "batches"), device=device)

    def go_on(new: int) -> SparseAutoencoder:
        return continue_training(dictionary, batches(), settings, added=new, seed=seed_of(budget.seed, "latents"))

    control, extended = go_on(0), go_on(budget.added)
    made = moved(array(control), array(extended), budget.seed)
    p, b = float(made.projected.mean() / made.norm.mean()), float(made.random.mean() / made.norm.mean())
    if b >= 1:
        raise SubjectFailed(f"atoms were moved beyond recognition: random directions hold {b:.2f} of their length")
    again = batches()
    shown = [next(again) for _ in range(SHOWN)]
    fired = torch.stack([(extended.encode(x).dense() != 0).any(0) for x in shown])
    alive = fired.any(0)[dictionary.d_dict :]
    if not bool(alive.any()):
        raise SubjectFailed(f"none of the {budget.added} new latents fires: nothing could move into them")
    details = {
        "steps": budget.steps,
        "samples_a_step": BATCH,
        "new_latents": budget.added,
        "new_latents_alive": float(alive.float().mean()),
        "rank": made.rank,
        "p": p,
        "b": b,
        "clipped": max(0.0, (p - b) / (1 - b)),
        "mean_delta": float(made.length.mean()),
        "fvu": {"control": unexplained(control, shown), "extended": unexplained(extended, shown)},
    }
    return made, details


@torch.no_grad()
def unexplained(dictionary: SparseAutoencoder, shown: Sequence[Tensor]) -> float:
    """Fraction of the variance of batches `[n, d]` that a dictionary leaves."""
    whole = torch.cat(list(shown)).double()
    left = sum(float((x - dictionary(x)).double().square().sum()) for x in shown)
    return left / float((whole - whole.mean(0)).square().sum())
