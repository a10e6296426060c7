"""Does a latent fire when its feature is on: counts, and what is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Detection:
    """Precision, recall and F1 of some detectors; what has no value is 0."""

    precision: Array
    recall: Array
    f1: Array


def detection(both: Array, fired: Array, on: Array) -> Detection:
    """From samples on which detector and feature are on, the detector is, and the feature is; arrays of one shape."""
    precision = np.divide(both, fired, out=np.zeros(both.shape), where=fired > 0)
    recall = np.divide(both, on, out=np.zeros(both.shape), where=on > 0)
    f1 = np.divide(2 * both, fired + on, out=np.zeros(both.shape), where=fired + on > 0)
    return Detection(precision, recall, f1)


def joint(active: sparse.csc_array, on: sparse.csc_array, feature: Array) -> Array:
    """Samples on which a latent is active and its feature is on, `[L]`.

    Args:
        active: 1 where a latent is active, `[n, L]`.
        on: 1 where a feature is on, `[n, F]`.
        feature: of each latent, `[L]`; -1 for none.
    """
    counts = np.asarray(active.multiply(on[:, np.maximum(feature, 0)]).sum(0)).ravel()
    return np.where(feature >= 0, counts, 0.0)
