"""SAE Match: which latent of one dictionary is which of another by their weights alone (Balagansky et al. 2024,
arXiv 2410.07656).

Rows are matched so that the sum of squared distances is smallest. Latents that act on another scale are told apart by
their thresholds: JumpReLU dictionaries are folded first, so that every threshold is 1 and the atom carries the size
(`saebench.dictionaries.folds.fold_thresholds`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from saebench.matching.assignment import CANDIDATES, DENSE_ENTRIES, EXACT, best_pairs
from saebench.matching.candidates import by_candidates
from saebench.matching.cosines import Array


@dataclass(frozen=True, eq=False)
class Matched:
    """min(n, m) pairs, ascending by row."""

    rows: Array
    columns: Array
    squared: Array
    """Squared distance of each pair, float64."""
    solver: str
    """`exact` or `candidates`, as in `assign`."""


def match_rows(a: Tensor, b: Tensor) -> Matched:
    """Match rows of `a` `[n, d]` and `b` `[m, d]` with the smallest summed squared distance.

    |a_i - b_j|^2 = |a_i|^2 - 2 <(a_i, 1), (b_j, -|b_j|^2 / 2)>: the best matching of all rows of the smaller side is
    the one with the largest sum of such products, which the solvers of cosines find.

    Raises:
        ValueError: the widths differ, a side has no row, or there is NaN or an infinity.
    """
    if a.shape[1] != b.shape[1] or not len(a) or not len(b):
        raise ValueError(f"rows of shapes {list(a.shape)} and {list(b.shape)} cannot be matched")
    first, second = a.detach().cpu().double(), b.detach().cpu().double()
    if not (bool(torch.isfinite(first).all()) and bool(torch.isfinite(second).all())):
        raise ValueError("rows to match hold NaN or an infinity")
    if len(a) <= len(b):
        rows, columns, solver = smaller_to_larger(first, second)
    else:
        columns, rows, solver = smaller_to_larger(second, first)
        order = np.argsort(rows)
        rows, columns = rows[order], columns[order]
    distance = first[torch.from_numpy(rows)] - second[torch.from_numpy(columns)]
    return Matched(rows, columns, distance.square().sum(1).numpy(), solver)


def smaller_to_larger(a: Tensor, b: Tensor) -> tuple[Array, Array, str]:
    """Rows of `a`, n <= m, their partners, and which solver found them."""
    centre = b.mean(0)
    a, b = a - centre, b - centre
    left = torch.cat([a, torch.ones(len(a), 1).double()], dim=1)
    right = torch.cat([b, -b.square().sum(1, keepdim=True) / 2], dim=1)
    # Lengths of at most 1, as the sparse solver asks for; a common factor changes no matching.
    left, right = (side / side.norm(dim=1).max().clamp(min=torch.finfo(torch.float64).tiny) for side in (left, right))
    if len(a) * len(b) <= DENSE_ENTRIES:
        rows, columns = best_pairs(left.float(), right.float(), True)
        return rows, columns, EXACT
    rows, columns, _ = by_candidates(left.float(), right.float(), True)
    return rows, columns, CANDIDATES
