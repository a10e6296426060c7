"""Linear centred kernel alignment: how alike two descriptions of the same tokens are, each in a basis of its own.

With K = X X^T and L = Y Y^T, CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) (Kornblith et al. 2019, arXiv 1905.00414).

- **Biased**, as published: HSIC(K, L) = |Xc^T Yc|_F^2 with centred columns. It grows towards 1 as the widths approach
  the number of tokens, whatever the data, so that it must not be used on codes.
- **Debiased**: the unbiased estimate of HSIC (Song et al. 2012, JMLR 13, equation 5), around 0 for unrelated data of
  any width, and possibly below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from saebench.matching.cosines import Array

ROWS = 512
"""Rows of a Gram matrix that exist at a time."""
DENSE_FROM = 0.05
"""Codes with a larger share of entries that are not 0 are multiplied as dense matrices."""
LEAST_TOKENS = 4
"""The unbiased estimate needs so many."""
CONSTANT = 1e-12
"""What varies by no larger share of its size does not vary."""


@dataclass(frozen=True)
class Cka:
    """Both forms; None where a side does not vary (or, debiased, has no positive estimate of its own HSIC)."""

    biased: float | None
    debiased: float | None


def linear_cka(x: Any, y: Any) -> Cka:
    """CKA of rows that describe the same tokens.

    Args:
        x: `[n, d]`, an array or scipy sparse.
        y: `[n, e]`, likewise.

    Raises:
        ValueError: the numbers of tokens differ, or there are fewer than four.
    """
    return cka_without_each(x, y, np.zeros(x.shape[0], dtype=np.int64))[0]


def cka_without_each(x: Any, y: Any, groups: Array) -> tuple[Cka, list[Cka]]:
    """CKA of all tokens, and with each group of tokens left out in turn, from one walk over the Gram matrices.

    Time grows with the square of the number of tokens; no Gram matrix is ever whole.

    Args:
        x: `[n, d]`, an array or scipy sparse.
        y: `[n, e]`, likewise.
        groups: int `[n]`, from 0 up, the group of each token.

    Raises:
        ValueError: the numbers of tokens differ, or there are fewer than four.
    """
    if x.shape[0] != y.shape[0] or x.shape[0] < LEAST_TOKENS:
        raise ValueError(f"CKA compares rows of the same tokens, four at least, not {x.shape[0]} with {y.shape[0]}")
    order = np.argsort(groups, kind="stable")
    sums = Sums.of(prepared(x, order), prepared(y, order), groups[order])
    count = int(groups.max()) + 1
    whole = sums.cka(None)
    return whole, [sums.cka(group) for group in range(count)] if count > 1 else []


def prepared(x: Any, order: Array) -> Any:
    """Rows in another order: sparse float64 where few entries are not 0, else an array with centred columns."""
    if hasattr(x, "tocsr"):
        kept = x.tocsr().astype(np.float64)[order]
        if kept.nnz <= DENSE_FROM * math.prod(kept.shape):
            return kept
        x = kept.toarray()
    else:
        x = np.asarray(x, dtype=np.float64)[order]
    # HSIC is the same for shifted rows; small numbers lose fewer digits.
    mean = x.mean(axis=0)
    centred = x - mean
    return np.where(np.abs(centred).max(axis=0) > CONSTANT * np.abs(mean), centred, 0.0)


@dataclass(frozen=True, eq=False)
class Sums:
    """What CKA without any one group is made from. Tokens are sorted by group."""

    groups: Array
    """Group of each token, `[n]`, ascending."""
    products: tuple[Array, Array, Array]
    """sum K L, K K and L L over pairs of tokens, by the groups of both, each `[G, G]`."""
    rows: tuple[Array, Array]
    """Sums over the tokens of each group of the rows of K and L, each `[n, G]`."""
    diagonals: tuple[Array, Array]
    """Of K and L, each `[n]`."""

    @classmethod
    def of(cls, x: Any, y: Any, groups: Array) -> Sums:
        """Walk over both Gram matrices, block of rows by block of rows."""
        count = int(groups[-1]) + 1
        member = np.eye(count)[groups]
        products = tuple(np.zeros((count, count)) for _ in range(3))
        for start in range(0, len(groups), ROWS):
            gram_x, gram_y = (dense(one[start : start + ROWS] @ one.T) for one in (x, y))
            owners = member[start : start + ROWS]
            for total, block in zip(products, (gram_x * gram_y, gram_x**2, gram_y**2), strict=True):
                total += owners.T @ (block @ member)
        rows = tuple(dense(one @ (member.T @ one).T) for one in (x, y))
        squares = tuple(np.asarray((one * one).sum(axis=1)).ravel() for one in (x, y))
        return cls(groups, products, rows, squares)  # type: ignore[arg-type]

    def cka(self, without: int | None) -> Cka:
        """Both forms over all tokens, or over those of all groups but one."""
        kept = self.groups != (-1 if without is None else without)
        n = int(kept.sum())
        if n < LEAST_TOKENS:
            return Cka(None, None)
        totals = [total_without(product, without) for product in self.products]
        rx, ry = (rows[kept].sum(axis=1) - (0 if without is None else rows[kept, without]) for rows in self.rows)
        dx, dy = (diagonal[kept] for diagonal in self.diagonals)
        sides = ((rx, ry, dx, dy), (rx, rx, dx, dx), (ry, ry, dy, dy))
        biased = [hsic_biased(n, total, a, b) for total, (a, b, _, _) in zip(totals, sides, strict=True)]
        debiased = [
            hsic_unbiased(n, total - float(da @ db), a - da, b - db)
            for total, (a, b, da, db) in zip(totals, sides, strict=True)
        ]
        return Cka(ratio(biased, totals), ratio(debiased, totals))


def total_without(product: Array, group: int | None) -> float:
    """The sum of a `[G, G]` matrix without one row and column."""
    kept = np.arange(len(product)) != (-1 if group is None else group)
    return float(product[np.ix_(kept, kept)].sum())


def hsic_biased(n: int, total: float, a: Array, b: Array) -> float:
    """tr(K H L H), H the centring matrix, from sum K L and the row sums of K and L."""
    return total - 2 / n * float(a @ b) + float(a.sum() * b.sum()) / n**2


def hsic_unbiased(n: int, total: float, a: Array, b: Array) -> float:
    """n (n - 3) times the unbiased estimate; all sums leave out the diagonals."""
    return total + float(a.sum() * b.sum()) / ((n - 1) * (n - 2)) - 2 / (n - 2) * float(a @ b)


def ratio(hsic: list[float], totals: list[float]) -> float | None:
    """cross / sqrt(left right) of (cross, left, right), None where a side does not vary."""
    cross, left, right = hsic
    if left <= CONSTANT * totals[1] or right <= CONSTANT * totals[2]:
        return None
    return cross / math.sqrt(left * right)


def dense(product: Any) -> Array:
    """A product of sparse matrices as an array."""
    return np.asarray(product.toarray() if hasattr(product, "toarray") else product)
