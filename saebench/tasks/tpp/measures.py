"""Drops in accuracy, item by item: arrays in, item columns out. No model, no dictionary."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from saebench.fingerprint import digest

Array = np.ndarray[Any, Any]

SHUFFLES = 1000
"""Draws of the permutation null."""


def drops(clean: Array, after: Array) -> tuple[Array, Array]:
    """Intended and unintended drop of each item, both `[..., C, T]`.

    Args:
        clean: whether the probe of each class is right on each of its texts, `[C, T]`.
        after: the same after the latents of class i are taken out, `[..., i, C, T]`; shares of several draws are
            possible.
    """
    fallen = clean - after.astype(np.float64)
    own = np.einsum("...iit->...it", fallen)
    return own, (fallen.sum(-3) - own) / (len(clean) - 1)


def tpp(matrix: Array) -> Array:
    """The score of mean drops `[..., C sets, C probes]`: own minus mean of the others, mean over sets."""
    own = np.einsum("...ii->...i", matrix)
    others = (matrix.sum(-1) - own) / (matrix.shape[-1] - 1)
    return np.asarray((own - others).mean(-1))


def first_half(accuracy: Array, intended: Array) -> Array:
    """For each class the place of the smallest n at which half of what its probe knows is gone, or -1; `[C]`.

    Args:
        accuracy: clean, `[C]`.
        intended: mean intended drop, `[sizes, C]`.
    """
    enough = (intended >= (accuracy - 0.5) / 2) & (accuracy > 0.5)
    return np.where(enough.any(0), enough.argmax(0), -1)


def at_half(own_drops: Array, all_drops: Array, half: Array) -> tuple[Array, Array]:
    """Columns of the isolation ratio, both `[C, T]`.

    Args:
        own_drops: intended drops `[sizes, C, T]`.
        all_drops: `[sizes, i, C, T]`, of every set on every probe.
        half: `first_half` of the validation texts.
    """
    classes = len(half)
    intended, unintended = np.zeros(own_drops.shape[1:]), np.zeros(own_drops.shape[1:])
    for own in np.flatnonzero(half >= 0):
        intended[own] = own_drops[half[own], own]
        for other in range(classes):
            if other != own:
                unintended[other] += all_drops[half[own], own, other] / (classes - 1)
    return intended, unintended


def permutation_null(matrices: Sequence[Array], seed: int) -> dict[str, float]:
    """How the score looks when latent sets are dealt to classes at random, each data set on its own.

    Args:
        matrices: mean drops `[C, C]` of each data set, sets by probes.
        seed: the evaluation seed.

    Returns: mean and standard deviation of the null, and the share of draws (the observed deal counted as one) that
    are at least as high as the score.
    """
    scores = [
        np.array([tpp(matrix[list(deal)]) for deal in itertools.permutations(range(len(matrix)))])
        for matrix in matrices
    ]
    rng = np.random.Generator(np.random.PCG64(int(digest(["tpp permutation", seed]), 16)))
    drawn = np.mean([own[rng.integers(len(own), size=SHUFFLES)] for own in scores], axis=0)
    observed = float(np.mean([tpp(matrix) for matrix in matrices]))
    higher = int((drawn >= observed - 1e-12).sum())
    return {"mean": float(drawn.mean()), "sd": float(drawn.std()), "p": (1 + higher) / (1 + SHUFFLES)}
