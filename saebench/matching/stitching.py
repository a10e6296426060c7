"""SAE stitching: which latents of a larger dictionary say something new (Leask et al. 2025, arXiv 2502.04878).

A latent of the larger dictionary whose largest cosine with an atom of the smaller one, m_i, is above 0.7 is a
**reconstruction** latent: its direction is there already. The others are **novel**. The insertion test asks whether
this is so: latent i is added, with its own code, to the reconstruction of the smaller dictionary. That should lower the
error for a novel latent and raise it for a reconstruction latent, whose direction is then counted twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from saebench.matching.cosines import Array

NOVEL_BELOW = 0.7
"""Largest cosine of a novel latent (not included: 0.7 itself is novel)."""


def is_novel(largest_cosines: Array) -> Array:
    """Novel latents by m_i, bool."""
    return largest_cosines <= NOVEL_BELOW


@dataclass(eq=False)
class Insertions:
    """Sums over tokens from which the effect of inserting any one latent follows.

    With e the error of the smaller dictionary, f_i and d_i code and atom of the latent:
    |e - f_i d_i|^2 - |e|^2 = -2 f_i <e, d_i> + f_i^2 |d_i|^2.
    """

    images: Array
    """sum f_i e, `[latents, d]`."""
    squares: Array
    """sum f_i^2, `[latents]`."""

    @classmethod
    def none(cls, latents: int, width: int) -> Insertions:
        """No token so far."""
        return cls(np.zeros((latents, width)), np.zeros(latents))

    def changes(self, atoms: Array) -> Array:
        """Change of the summed squared error by each latent alone, `[latents]`; negative where it helps."""
        sizes = np.square(atoms).sum(axis=1)
        return np.asarray(self.squares * sizes - 2 * np.sum(self.images * atoms, axis=1))


def auc(score: Array, positive: Array) -> float:
    """Probability that a random positive item has a larger score than a random other one, ties counting half.

    Raises:
        ValueError: all items are positive, or none is.
    """
    many = int(positive.sum())
    others = len(positive) - many
    if not many or not others:
        raise ValueError(f"{many} of {len(positive)} items are positive: there is nothing to tell apart")
    ranks = rankdata(score)
    return float(ranks[positive].sum() - many * (many + 1) / 2) / (many * others)
