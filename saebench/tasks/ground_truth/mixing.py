"""How much of a latent's atom lies on features that fire together with its own: what hedging leaves in a dictionary.

A dictionary too narrow for its world merges features that fire together (Chanin et al. 2025, arXiv 2505.11756, call
it hedging). Their hedging rate compares two continued trainings; this is read off one dictionary, since the features
are known: with the atom written by least squares as b_0 d_own + sum_j b_j d_j over the features j that fire with its
own, b_0 > 0, the mixing is sum_j max(b_j, 0)^2 / (b_0^2 + sum_j max(b_j, 0)^2).
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
TOGETHER = 0.1
"""Correlation (of being on) from which two features fire together."""
FEW = 64
"""Features that are all looked at; of more, so many are drawn."""


def mixing(atoms: Array, own: Array, directions: Array, partners: Array) -> tuple[Array, Array]:
    """The mixing of each latent, and which latents have one: those with a feature that has a partner.

    Args:
        atoms: unit rows `[L, d]` float64.
        own: the feature of each latent, `[L]`; -1 for none.
        directions: true unit directions `[F, d]`.
        partners: features that fire with each, `[F, K]`, filled up with -1.
    """
    value, counted = np.zeros(len(atoms)), np.zeros(len(atoms), dtype=bool)
    for latent in np.flatnonzero(own >= 0).tolist():
        others = partners[own[latent]]
        others = others[others >= 0]
        if not len(others):
            continue
        basis = directions[[own[latent], *others]].astype(np.float64)
        weights = np.linalg.lstsq(basis.T, atoms[latent], rcond=None)[0]
        weights *= np.sign(weights[0]) or 1.0
        shared = float(np.square(np.maximum(weights[1:], 0)).sum())
        counted[latent] = True
        value[latent] = shared / max(shared + float(weights[0] ** 2), 1e-300)
    return value, counted


def together(partners: Array, phi: Array) -> Array:
    """Partners whose correlation is large enough, `[F, K]`, -1 elsewhere."""
    kept: Array = np.where(phi >= TOGETHER, partners, -1)
    return kept


def strangers(partners: Array, related: Array, seed: int) -> Array:
    """As many features for each as it has partners, drawn from those that it is not related to, `[F, K]`.

    Args:
        partners: `[F, K]`, filled up with -1.
        related: everything that fires with a feature more often than chance, `[F, K']`, filled up with -1.
        seed: of the draw.
    """
    size = len(partners)
    draw = np.random.Generator(np.random.PCG64([seed, 0x6D69786564]))
    out = np.full(partners.shape, -1)
    for feature in range(size):
        wanted = int((partners[feature] >= 0).sum())
        taken = {feature, *related[feature].tolist()}
        chosen: list[int] = []
        for one in draw.permutation(size).tolist() if size <= FEW else draw.integers(0, size, FEW).tolist():
            if len(chosen) == wanted:
                break
            if one not in taken:
                chosen.append(one)
                taken.add(one)
        out[feature, : len(chosen)] = chosen
    return out
