"""SVCCA: how alike the subspaces are in which two lists of paired rows lie (Raghu et al. 2017, arXiv 1706.05806).

Columns are centred, the fewest singular directions that hold 99 % of the variance are kept on each side, and the score
is the mean canonical correlation of what is kept. Rotating, scaling and shifting a side changes nothing.

Two traps. The share of the variance is a share of its own total: a rule that compares cumulative squares with 0.99
itself keeps one direction, or all, unless the matrix was scaled to norm 1 before. And subspaces of k and l dimensions
among N - 1 must meet where k + l > N - 1, so that correlations are 1 whatever the rows are: such a score is refused.
Below that bound chance still scores high; the permutation null says how high.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saebench.matching.cosines import Array

VARIANCE = 0.99
"""Share of the squared singular values that is kept."""


@dataclass(frozen=True, eq=False)
class Subspaces:
    """Orthonormal columns that span what is kept of each side, `[N, k]` and `[N, l]`."""

    first: Array
    second: Array

    @property
    def dimensions(self) -> tuple[int, int]:
        """k and l."""
        return self.first.shape[1], self.second.shape[1]

    def score(self, order: Array | None = None) -> float:
        """Mean of the min(k, l) canonical correlations, with the rows of the second side in another order."""
        second = self.second if order is None else self.second[order]
        return float(np.linalg.svd(self.first.T @ second, compute_uv=False).clip(0, 1).mean())


def svcca(x: Array, y: Array) -> Subspaces:
    """The subspaces of paired rows; their `score()` is the SVCCA.

    Args:
        x: `[N, d]`.
        y: `[N, e]`, row i being the partner of row i of `x`.

    Raises:
        ValueError: the numbers of rows differ, the rows of a side are all equal, or there are too few rows for their
            correlations to mean anything.
    """
    if len(x) != len(y):
        raise ValueError(f"{len(x)} and {len(y)} rows are not paired")
    made = Subspaces(kept(x), kept(y))
    if sum(made.dimensions) > len(x) - 1:
        raise ValueError(
            f"{len(x)} pairs are too few: subspaces of {made.dimensions[0]} and {made.dimensions[1]} dimensions among "
            f"{len(x) - 1} meet whatever the rows are"
        )
    return made


def kept(x: Array) -> Array:
    """Orthonormal columns `[N, k]` that span 99 % of the variance of rows `[N, d]`.

    Raises:
        ValueError: the rows are all equal.
    """
    wide = np.asarray(x, dtype=np.float64)
    centred = wide - wide.mean(axis=0) if len(wide) else wide
    if not np.abs(centred).max(initial=0.0) > 1e-12 * np.abs(wide).max(initial=0.0):
        raise ValueError("the rows do not vary")
    # Through the smaller Gram matrix: directions that are kept are far above its rounding errors.
    tall = centred.shape[0] >= centred.shape[1]
    squares, vectors = np.linalg.eigh(centred.T @ centred if tall else centred @ centred.T)
    squares, vectors = squares[::-1].clip(0), vectors[:, ::-1]
    shares = np.cumsum(squares) / np.sum(squares)
    count = int(np.searchsorted(shares, VARIANCE - 1e-12)) + 1
    if not tall:
        return np.asarray(vectors[:, :count])
    return np.asarray(centred @ vectors[:, :count] / np.sqrt(squares[:count]))
