"""The solver ladder: one-to-one assignment of rows that maximises the summed cosine.

Up to 16,384 x 16,384 cosines the whole matrix goes to scipy's exact solver. Above, a graph of candidates does (see
`saebench.matching.candidates`), and the result says by how much the optimum can be larger.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from torch import Tensor, from_numpy

from saebench.matching.candidates import by_candidates
from saebench.matching.cosines import Array, UnitRows, blocks, paired

EXACT = "exact"
CANDIDATES = "candidates"
DENSE_ENTRIES = 16_384**2
"""Cosines in the largest matrix that is solved whole: 2 GiB in float64."""


@dataclass(frozen=True, eq=False)
class Assignment:
    """min(n, m) pairs, ascending by row."""

    rows: Array
    """int64 `[pairs]`."""
    columns: Array
    """int64 `[pairs]`, the partner of each of them."""
    cosines: Array
    """float64 `[pairs]`, absolute where the assignment is unsigned."""
    solver: str
    """`exact` or `candidates`."""
    error_bound: float
    """The mean cosine of the best assignment is larger than that of this one by at most so much, up to the rounding
    of float32 cosines (1e-6)."""

    @property
    def mean(self) -> float:
        """Mean cosine of the pairs.

        Raises:
            ValueError: there is no pair.
        """
        if not len(self.cosines):
            raise ValueError("no rows were matched: one of the matrices has none")
        return float(self.cosines.mean())


def assign(a: UnitRows, b: UnitRows, *, signed: bool) -> Assignment:
    """Match min(n, m) rows of `a` `[n, d]` and `b` `[m, d]`; the solver follows from n m.

    Args:
        a: unit rows.
        b: unit rows of the same width.
        signed: maximise the sum of cosines, else of their absolute values.

    Raises:
        ValueError: the widths differ.
    """
    if a.width != b.width:
        raise ValueError(f"rows of width {a.width} cannot be compared with rows of width {b.width}")
    return exact(a, b, signed=signed) if len(a) * len(b) <= DENSE_ENTRIES else sparse(a, b, signed=signed)


def exact(a: UnitRows, b: UnitRows, *, signed: bool) -> Assignment:
    """The best assignment, from all n m cosines at once: 8 n m bytes."""
    rows, columns = best_pairs(a.narrow(), b.narrow(), signed)
    return Assignment(rows, columns, paired(a, b, rows, columns, signed), EXACT, 0.0)


def sparse(a: UnitRows, b: UnitRows, *, signed: bool) -> Assignment:
    """A nearly best assignment, from candidates."""
    if len(a) > len(b):
        columns, rows, upper = by_candidates(b.narrow(), a.narrow(), signed)
    else:
        rows, columns, upper = by_candidates(a.narrow(), b.narrow(), signed)
    order = np.argsort(rows)
    rows, columns = rows[order], columns[order]
    cosines = paired(a, b, rows, columns, signed)
    return Assignment(rows, columns, cosines, CANDIDATES, max(0.0, (upper - float(cosines.sum())) / len(rows)))


def best_pairs(a: Tensor, b: Tensor, signed: bool) -> tuple[Array, Array]:
    """scipy's solution (a shortest-augmenting-path method) for float32 unit rows: rows ascending, and their columns."""
    if len(a) > len(b):
        columns, rows = best_pairs(b, a, signed)
        order = np.argsort(rows)
        return rows[order], columns[order]
    # Negated here, with no more rows than columns: otherwise scipy makes a second matrix of this size.
    cost = np.empty((len(a), len(b)))
    view = from_numpy(cost)
    for start, block in blocks(a, b, signed):
        view[start : start + len(block)] = block.neg_()
    rows, columns = linear_sum_assignment(cost)
    return rows.astype(np.int64), columns.astype(np.int64)
