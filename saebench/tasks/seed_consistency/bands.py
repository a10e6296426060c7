"""Consistency by how often a latent fires: an average over all latents hides it."""

from __future__ import annotations

import math

import numpy as np

from saebench.matching.cosines import Array

BANDS = {"rare": (0.0, 1e-3), "uncommon": (1e-3, 1e-2), "common": (1e-2, 1e-1), "dense": (1e-1, math.inf)}
"""Share of evaluated tokens on which a latent fires: from the first number up to below the second."""
EDGES = np.linspace(-5.0, 0.0, 11)
"""Of the curve: log10 of that share; the first bin holds all that is rarer as well."""


def band_of(rates: Array) -> Array:
    """Index into `BANDS` of each latent, int64; for a latent that never fires -1."""
    starts = np.array([low for low, _ in BANDS.values()])
    return np.where(rates > 0, np.searchsorted(starts, rates, side="right") - 1, -1)


def by_band(bands: Array, values: Array) -> dict[str, tuple[float, float]]:
    """(latents, sum of their values) of each band."""
    return {
        name: (float((bands == index).sum()), float(values[bands == index].sum())) for index, name in enumerate(BANDS)
    }


def by_rate(rates: Array, values: Array) -> Array:
    """Sums of values in each bin of the curve, `[len(EDGES) - 1]`, of latents that fire."""
    exponents = np.log10(np.maximum(rates, 10 ** EDGES[0])).clip(EDGES[0], EDGES[-1])
    return np.histogram(exponents, bins=EDGES, weights=values)[0]
