"""The directions of a world: unit vectors, pushed apart."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
RATE = 0.5
"""Step, as a share of the largest one that cannot overshoot."""
CHUNK = 1024


def directions(size: int, width: int, steps: int, stream: np.random.Generator) -> Array:
    """Unit rows `[size, width]`, float32.

    Rows are drawn uniformly from the sphere; then each step goes down the gradient of sum_{i != j} (d_i . d_j)^2 and
    back to the sphere. The gradient is D (D^T D) less each row itself, up to a factor: no product of all pairs is
    ever made. With many more rows than dimensions the rows end as a tight frame, whose largest cosines are those of
    random rows; with as many or fewer they end orthogonal. Computed in float64 and rounded once: another BLAS or number
    of threads moves the last bit of a few entries at most, and a world's rows are kept once they are made.
    """
    rows = unit(stream.standard_normal((size, width)))
    bound = (1 + np.sqrt(size / width)) ** 2
    for _ in range(steps):
        pull = rows @ (rows.T @ rows) - rows
        rows = unit(rows - RATE / bound * pull)
    return rows.astype(np.float32)


def unit(rows: Array) -> Array:
    """Rows of length 1."""
    scaled: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


def nearest(rows: Array) -> Array:
    """Largest |cos| of each unit row with another one, `[size]`; 0 where there is no other."""
    wide = unit(rows.astype(np.float64))
    best = np.zeros(len(wide))
    for start in range(0, len(wide), CHUNK):
        cosines = np.abs(wide[start : start + CHUNK] @ wide.T)
        cosines[np.arange(len(cosines)), start + np.arange(len(cosines))] = 0.0
        best[start : start + CHUNK] = cosines.max(1)
    return best
