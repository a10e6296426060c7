"""Which latents carry a concept, what taking them out does to a probe, and other latents to compare with.

For a decoder that is affine in the codes, taking the latents S out of every token (x - sum_S f_j atom_j, the
reconstruction error kept) changes the token mean to m - sum_S fbar_j atom_j with fbar the mean code. A linear probe w
then loses sum_S fbar_j <w, atom_j>: nothing is decoded, and every set of latents follows from one encoding pass.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy import sparse

from saebench.dictionaries.contract import Dictionary
from saebench.errors import SubjectFailed

Array = np.ndarray[Any, Any]

N_VALUES = (2, 5, 10, 20, 50, 100, 500)
"""How many latents are taken out (sae-bench's grid)."""
NEIGHBOURS = 10
"""A control latent is drawn among so many on either side of the chosen one in the order of firing frequency."""


def unfit_reason(dictionary: Dictionary) -> str | None:
    """Why latents of this dictionary cannot be taken out in closed form, or None where they can."""
    if not dictionary.traits.linear_decoder:
        return "its decoder is not affine in the codes, so that a latent has no effect of its own"
    if dictionary.atoms is None:
        return "it has no atoms that a latent could be taken out along"
    return None


def probe_gains(dictionary: Dictionary, weights: Array) -> Array:
    """<w, atom_j>: what one unit of each latent adds to each probe's score, float64 `[d_dict, probes]`.

    Args:
        dictionary: one with atoms.
        weights: probes, `[probes, d]`.

    Raises:
        SubjectFailed: atoms are not finite or of another width than the probes.
    """
    atoms = dictionary.atoms
    assert atoms is not None
    if atoms.shape[1] != weights.shape[1]:
        raise SubjectFailed(f"its atoms have width {atoms.shape[1]}, the site has {weights.shape[1]}")
    gains = (atoms.detach().cpu().float() @ torch.from_numpy(weights.T).float()).double().numpy()
    if not np.isfinite(gains).all():
        raise SubjectFailed("the atoms hold NaN or an infinity")
    return np.asarray(gains)


def mean_difference(codes: sparse.csr_array, positive: Array, negative: Array) -> Array:
    """Mean code of some texts minus that of others, float64 `[d_dict]`."""
    weights = np.zeros(codes.shape[0])
    np.add.at(weights, positive, 1 / len(positive))
    np.add.at(weights, negative, -1 / len(negative))
    return np.asarray(codes.T @ weights)


def strongest(effects: Array, most: int) -> Array:
    """Latents by falling effect, `most` at most, and only those with an effect above zero; ties by index.

    (sae-bench fills up with latents of effect zero, in whatever order its sort gives them.)
    """
    order = np.argsort(-effects, kind="stable")[:most]
    return order[: int((effects > 0).sum())]


def removed(codes: sparse.csc_array, latents: Array, gains: Array, sizes: Sequence[int] = N_VALUES) -> Array:
    """What each probe's score loses when the first n of `latents` are taken out, `[sizes, texts, probes]`.

    Args:
        codes: mean codes `[texts, d_dict]`.
        latents: in the order in which they go; all of them where there are fewer than n.
        gains: `[d_dict, probes]`.
        sizes: ascending values of n.
    """
    losses = []
    loss = np.zeros((codes.shape[0], gains.shape[1]))
    start = 0
    for size in sizes:
        step = latents[start:size]
        loss = loss + codes[:, step] @ gains[step] if len(step) else loss
        losses.append(loss)
        start = size
    return np.stack(losses)


def like_frequent(density: Array, latents: Array, seed: str) -> Array:
    """For each of `latents` another one that fires about as often, no two alike, in the same order.

    Drawn among the `NEIGHBOURS` nearest free ones on either side in the order of firing frequency. A latent may stand
    for one and be chosen elsewhere in the list, so that dictionaries with few more latents than are taken out have
    controls too.

    Args:
        density: firing frequency of every latent, `[d_dict]`.
        latents: the chosen ones, distinct.
        seed: any text; the same text gives the same draw.
    """
    rng = np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:16])))
    order = np.lexsort((rng.permutation(len(density)), density))
    place = np.empty(len(density), np.int64)
    place[order] = np.arange(len(density))
    free = np.ones(len(density), bool)
    drawn = []
    for latent in latents:
        at = place[latent]
        below = np.flatnonzero(free[:at])[-NEIGHBOURS:]
        above = at + 1 + np.flatnonzero(free[at + 1 :])[:NEIGHBOURS]
        near = np.concatenate([below, above])
        chosen = int(near[rng.integers(len(near))]) if len(near) else int(at)
        free[chosen] = False
        drawn.append(order[chosen])
    return np.array(drawn, np.int64)
