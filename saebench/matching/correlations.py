"""Matching by what latents do: Pearson correlations of codes on the same tokens, zeros included.

Only latents that fire together on some token are looked at. For codes >= 0 that leaves out no positive correlation: a
pair that never fires together has r = -mean mean' / (sd sd') <= 0. Everything is exact and float64, and no matrix of
all pairs is made where codes are sparse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from saebench.matching.cosines import Array

DENSE_FROM = 0.1
"""From this share of pairs that correlate, the whole matrix is assigned at once."""
CONSTANT = 1e-12
"""A latent whose variance is below this share of its mean square does not vary."""


@dataclass(frozen=True, eq=False)
class Correlations:
    """Positive correlations between the latents of two dictionaries."""

    values: Any
    """scipy CSR `[n, m]` of r > 0 (of |r| where unsigned) among latents that fire together."""
    varies: tuple[Array, Array]
    """Latents whose codes vary, bool `[n]` and `[m]`: r is defined for them alone."""

    def best(self) -> tuple[Array, Array]:
        """Largest correlation of each latent of either dictionary, `[n]` and `[m]`: 0 where none is positive. Several
        latents may share a partner."""
        stored = self.values.tocoo()
        best = np.zeros(self.values.shape[0]), np.zeros(self.values.shape[1])
        for side, places in zip(best, (stored.row, stored.col), strict=True):
            np.maximum.at(side, places, stored.data)
        return best

    def one_to_one(self) -> tuple[Array, Array, Array]:
        """The matching with the largest summed correlation: rows ascending, columns, correlations.

        Latents to which no positive correlation is left are in none of its pairs.
        """
        n, m = self.values.shape
        partner = np.full(n, m, dtype=np.int64)
        if self.values.nnz > DENSE_FROM * n * m:
            rows, columns = linear_sum_assignment(self.values.toarray(), maximize=True)
            partner[rows] = columns
        else:
            # A column of its own for each row, at correlation 0: whoever is matched there has no partner.
            cost = sparse.hstack([self.values, 2 * sparse.eye_array(n)], format="csr")
            cost.data[cost.indices < m] = 2 - cost.data[cost.indices < m]
            found, places = min_weight_full_bipartite_matching(cost)
            partner[found] = np.minimum(places, m)
        stored = self.values.tocoo()
        chosen = partner[stored.row] == stored.col
        rows, columns, values = stored.row[chosen], stored.col[chosen], stored.data[chosen]
        order = np.argsort(rows)
        return rows[order].astype(np.int64), columns[order].astype(np.int64), values[order]


def correlate(a: Any, b: Any, *, signed: bool = True) -> Correlations:
    """Correlate codes of the same tokens.

    Args:
        a: scipy sparse `[tokens, n]`.
        b: scipy sparse `[tokens, m]`.
        signed: keep r > 0; else |r|, right where codes are signed and a latent may be flipped.

    Raises:
        ValueError: the numbers of tokens differ, or there is none.
    """
    if a.shape[0] != b.shape[0] or not a.shape[0]:
        raise ValueError(f"codes of {a.shape[0]} and of {b.shape[0]} tokens cannot be correlated")
    tokens = a.shape[0]
    left, right = (sparse.csr_array(x, dtype=np.float64) for x in (a, b))
    (mean_a, sd_a), (mean_b, sd_b) = moments(left), moments(right)
    together = sparse.coo_array(left.T @ right)
    rows, columns = together.coords
    spread = sd_a[rows] * sd_b[columns]
    varies = spread > 0
    rows, columns, spread = rows[varies], columns[varies], spread[varies]
    r = (together.data[varies] / tokens - mean_a[rows] * mean_b[columns]) / spread
    r = np.clip(r if signed else np.abs(r), -1, 1)
    kept = r > 0
    shape = (left.shape[1], right.shape[1])
    return Correlations(sparse.csr_array((r[kept], (rows[kept], columns[kept])), shape=shape), (sd_a > 0, sd_b > 0))


def paired_correlations(a: Any, b: Any, rows: Array, columns: Array) -> Array:
    """Pearson r of the pairs (rows[i] of `a`, columns[i] of `b`), zeros included, of either sign; NaN where a latent
    does not vary.

    Args:
        a: scipy sparse `[tokens, n]`.
        b: scipy sparse `[tokens, m]`.
        rows, columns: int `[pairs]`.
    """
    left, right = (sparse.csc_array(x, dtype=np.float64)[:, chosen] for x, chosen in ((a, rows), (b, columns)))
    (mean_a, sd_a), (mean_b, sd_b) = moments(left), moments(right)
    together = np.asarray(left.multiply(right).sum(axis=0)).ravel() / a.shape[0]
    spread = sd_a * sd_b
    r = (together - mean_a * mean_b) / np.where(spread > 0, spread, 1.0)
    return np.where(spread > 0, np.clip(r, -1, 1), np.nan)


def moments(codes: Any) -> tuple[Array, Array]:
    """Mean and standard deviation (ddof 0) of each column, zeros included; a column that does not vary gets 0."""
    mean = np.asarray(codes.mean(axis=0)).ravel()
    square = np.asarray(codes.multiply(codes).mean(axis=0)).ravel()
    variance = square - mean**2
    return mean, np.sqrt(np.where(variance > CONSTANT * square, variance, 0.0))
