"""Assignment among many rows: a sparse graph of candidates, and a proof of how good its solution is.

1. Candidates are the 16 largest cosines of each row and of each column, and the pairs (i, i), with which a full
   matching exists. scipy solves this graph exactly.
2. Prices of columns come from that solution (the dual of the linear programme): for any prices v >= 0 no assignment of
   all rows has a larger sum than sum_j v_j + sum_i max_j (c_ij - v_j). The maximum runs over all columns, candidates or
   not, so that this bounds the optimum from above without solving it.
3. The pairs in which these maxima are reached are the ones that the graph lacked: they join it, and it is solved again,
   until the bound is near the solution.

Measured against the exact solution (d = 768): see the table in `tests/benchmarks/test_bench_matching.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from torch import Tensor

from saebench.matching.cosines import Array, strongest

CANDIDATES = 16
"""Largest cosines of each row and each column."""
ADDED = 8
"""Pairs that each row may add in a further round."""
ROUNDS = 4
"""Further rounds, at most: each goes once over all cosines."""
NEAR = 1e-4
"""No further round is made where the mean cosine is proven to be this near to the best."""
SWEEPS = 2000
"""Rounds in which prices may settle. Prices that have not settled give a weaker bound, not a wrong one."""
SETTLED = 1e-9


@dataclass(frozen=True, eq=False)
class Edges:
    """Pairs of rows and columns with the cosine of each, every pair once."""

    rows: Array
    columns: Array
    values: Array

    def joined(self, rows: Array, columns: Array, values: Array, width: int) -> Edges:
        """With more pairs; where one is given twice the first value stays."""
        all_rows, all_columns = np.concatenate([self.rows, rows]), np.concatenate([self.columns, columns])
        _, first = np.unique(all_rows * width + all_columns, return_index=True)
        return Edges(all_rows[first], all_columns[first], np.concatenate([self.values, values])[first])


def by_candidates(a: Tensor, b: Tensor, signed: bool) -> tuple[Array, Array, float]:
    """Match all rows of `a` `[n, d]` to rows of `b` `[m, d]`, n <= m, float32 unit rows.

    Returns:
        rows, their columns, and a number that no assignment's summed cosine exceeds.
    """
    n, m = len(a), len(b)
    diagonal = (a * b[:n]).sum(1)
    place = np.arange(n, dtype=np.int64)
    edges = Edges(place, place, (diagonal if signed else diagonal.abs()).double().numpy())
    values, columns = strongest(a, b, CANDIDATES, signed=signed)
    edges = edges.joined(np.repeat(place, values.shape[1]), columns.numpy().ravel(), values.double().numpy().ravel(), m)
    values, rows = strongest(b, a, CANDIDATES, signed=signed)
    other = np.repeat(np.arange(m, dtype=np.int64), values.shape[1])
    edges = edges.joined(rows.numpy().ravel(), other, values.double().numpy().ravel(), m)

    partner, total = solve(edges, n, m)
    upper = np.inf
    for _ in range(ROUNDS):
        prices = torch.from_numpy(column_prices(edges, partner, m)).float()
        values, columns = strongest(a, b, ADDED, signed=signed, prices=prices)
        upper = min(upper, float(prices.double().sum() + values[:, 0].double().sum()))
        values = values + prices[columns]
        edges = edges.joined(
            np.repeat(place, values.shape[1]), columns.numpy().ravel(), values.double().numpy().ravel(), m
        )
        partner, total = solve(edges, n, m)
        if upper - total <= NEAR * n:
            break
    return place, partner, upper


def solve(edges: Edges, n: int, m: int) -> tuple[Array, float]:
    """The column of each row in the matching of all rows with the largest sum, and that sum."""
    # The solver minimises, and takes a stored zero for no edge: 2 - cosine is positive.
    cost = sparse.csr_array((2.0 - edges.values, (edges.rows, edges.columns)), shape=(n, m))
    rows, columns = min_weight_full_bipartite_matching(cost)
    partner = np.empty(n, dtype=np.int64)
    partner[rows] = columns
    return partner, 2.0 * n - float(cost[rows, columns].sum())


def column_prices(edges: Edges, partner: Array, m: int) -> Array:
    """The least prices v >= 0 `[m]` at which no row would rather have another candidate than its partner.

    v_j >= c_ij - c_i,partner(i) + v_partner(i) for every edge: longest paths, found by sweeping over all edges until
    nothing rises. They exist because the matching is the best one of the graph.
    """
    order = np.argsort(edges.columns, kind="stable")
    rows, columns, values = edges.rows[order], edges.columns[order], edges.values[order]
    own = np.zeros(len(partner))
    matched = partner[rows] == columns
    own[rows[matched]] = values[matched]
    gain = values - own[rows]
    seller = partner[rows]
    present, starts = np.unique(columns, return_index=True)
    prices = np.zeros(m)
    for _ in range(SWEEPS):
        asked = np.maximum(np.maximum.reduceat(prices[seller] + gain, starts), 0.0)
        rise = asked - prices[present]
        if rise.max() <= SETTLED:
            break
        prices[present] = np.maximum(prices[present], asked)
    return prices
