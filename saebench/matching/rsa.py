"""RSA: do two lists of paired rows have the same geometry (Kriegeskorte et al. 2008)?

All rows of a side are compared with each other, and the score is Spearman's correlation of the two lists of
N (N - 1) / 2 similarities. The inner similarity decides what is ignored:

- `cosine` does not change when a side is rotated: right where sides have bases of their own;
- `correlation` centres each row over its coordinates first, as Lan et al. 2024 (arXiv 2410.06981) do. Centring refers
  to the direction (1, 1, ..., 1) of the basis, so that a rotation of a side changes the score: a Gaussian 60 x 6 matrix
  against its own rotation gives 0.74 to 0.95, not 1. It compares sides that share a basis, and no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from saebench.matching.cosines import Array

Inner = Literal["cosine", "correlation"]


@dataclass(frozen=True, eq=False)
class Geometry:
    """Similarities of N rows by their order."""

    places: Array
    """Rank of the similarity of two rows among the distinct ones, int32 `[N, N]`, symmetric."""
    distinct: int

    @classmethod
    def of(cls, x: Array, inner: Inner = "cosine") -> Geometry:
        """Compare rows `[N, d]` with each other; a zero row has similarity 0 with everything.

        Similarities are rounded to 12 digits, so that equal ones stay equal under a rotation.
        """
        wide = np.asarray(x, dtype=np.float64)
        if inner == "correlation":
            wide = wide - wide.mean(axis=1, keepdims=True)
        norm = np.linalg.norm(wide, axis=1, keepdims=True)
        unit = wide / np.where(norm > 0, norm, 1.0)
        lower = np.tril_indices(len(unit), -1)
        values, inverse = np.unique((unit @ unit.T)[lower].round(12), return_inverse=True)
        places = np.zeros((len(unit), len(unit)), dtype=np.int32)
        places[lower] = inverse
        return cls(places + places.T, len(values))

    def ranks(self, rows: Array) -> Array:
        """Ranks of the similarities among some rows (ties share their mean rank), centred; `[len(rows), len(rows)]`
        with a zero diagonal."""
        inner = self.places[np.ix_(rows, rows)]
        lower = np.tril_indices(len(rows), -1)
        places = inner[lower]
        counts = np.bincount(places, minlength=self.distinct)
        middle = np.cumsum(counts) - (counts - 1) / 2
        ranks = np.zeros(inner.shape)
        ranks[lower] = middle[places] - (len(places) + 1) / 2
        return ranks + ranks.T


def rsa(x: Array, y: Array, inner: Inner = "cosine") -> float:
    """RSA of paired rows.

    Args:
        x: `[N, d]`.
        y: `[N, e]`, row i being the partner of row i of `x`.
        inner: see the module.

    Raises:
        ValueError: the numbers of rows differ, there are fewer than three, or all similarities of a side are equal.
    """
    rows = np.arange(len(x))
    if len(x) != len(y):
        raise ValueError(f"{len(x)} and {len(y)} rows are not paired")
    return agreement(Geometry.of(x, inner).ranks(rows), Geometry.of(y, inner).ranks(rows))


def agreement(first: Array, second: Array, order: Array | None = None) -> float:
    """Spearman's correlation from centred ranks, with the rows of the second side in another order.

    Raises:
        ValueError: all similarities of a side are equal, or there are fewer than three rows.
    """
    spread = float(np.sqrt(np.sum(first**2) * np.sum(second**2)))
    if len(first) < 3 or spread == 0:
        raise ValueError(f"the similarities of {len(first)} rows do not vary")
    other = second if order is None else second[np.ix_(order, order)]
    return float(np.sum(first * other)) / spread
