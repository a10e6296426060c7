"""Cosines between the rows of two matrices, in blocks: a whole matrix of them never has to exist.

Search runs in float32; the cosines of pairs that were chosen are computed again in float64.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray[Any, Any]
Rows = Array | Tensor
"""A real matrix `[rows, d]`."""

BLOCK_ENTRIES = 2**26
"""Cosines that exist at a time: 256 MiB in float32."""


@dataclass(frozen=True, eq=False)
class UnitRows:
    """Rows of length one."""

    values: Tensor
    """float64 `[rows, d]` on the CPU; a zero row stays zero, so that it has cosine 0 with everything."""
    zero: Array
    """Which rows were zero, bool `[rows]`."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def width(self) -> int:
        """d."""
        return self.values.shape[1]

    def select(self, rows: Array) -> UnitRows:
        """Some of the rows, by index."""
        return UnitRows(self.values[torch.from_numpy(rows)], self.zero[rows])

    def narrow(self) -> Tensor:
        """float32 copy, for search."""
        return self.values.float()


def unit_rows(x: Rows, *, warn: bool = True) -> UnitRows:
    """Divide each row by its length.

    Warns (UserWarning) about zero rows unless `warn` is false, as where the caller reports their number itself.

    Raises:
        ValueError: not a matrix, or NaN or an infinity in it.
    """
    wide = x.detach().to("cpu", torch.float64) if isinstance(x, Tensor) else torch.tensor(np.asarray(x, np.float64))
    if wide.ndim != 2:
        raise ValueError(f"rows to compare must form a matrix, not an array of shape {list(wide.shape)}")
    if not bool(torch.isfinite(wide).all()):
        raise ValueError("rows to compare hold NaN or an infinity")
    # Scaled by the largest entry first: squares of very large or very small rows would not be finite or would vanish.
    top = wide.abs().amax(1, keepdim=True) if wide.shape[1] else wide.new_zeros(len(wide), 1)
    scaled = wide / torch.where(top > 0, top, 1.0)
    zero = (top[:, 0] == 0).numpy()
    if warn and zero.any():
        warnings.warn(f"{int(zero.sum())} of {len(zero)} rows are zero: cosine 0 with every row", stacklevel=2)
    norm = scaled.norm(dim=1, keepdim=True)
    return UnitRows(scaled / torch.where(norm > 0, norm, 1.0), zero)


def blocks(a: Tensor, b: Tensor, signed: bool) -> Iterator[tuple[int, Tensor]]:
    """(first row, cosines `[rows of the block, len(b)]`), or absolute cosines where not `signed`."""
    size = max(1, BLOCK_ENTRIES // max(1, len(b)))
    for start in range(0, len(a), size):
        block = a[start : start + size] @ b.T
        yield start, block if signed else block.abs_()


def strongest(a: Tensor, b: Tensor, k: int, *, signed: bool, prices: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """For each row of `a` the `k` rows of `b` with the largest cosine, or with the largest cosine less price.

    Args:
        a: float32 unit rows `[n, d]`.
        b: float32 unit rows `[m, d]`.
        k: how many; at most m are given.
        signed: cosine, else its absolute value.
        prices: float32 `[m]`, taken from the cosines with each row of `b`.

    Returns:
        (values float32, indices int64), each `[n, min(k, m)]`, largest first.
    """
    values, indices = [], []
    for _, block in blocks(a, b, signed):
        found = (block if prices is None else block.sub_(prices)).topk(min(k, len(b)), dim=1)
        values.append(found.values)
        indices.append(found.indices)
    if not values:
        return torch.empty(0, min(k, len(b))), torch.empty(0, min(k, len(b)), dtype=torch.int64)
    return torch.cat(values), torch.cat(indices)


def paired(a: UnitRows, b: UnitRows, rows: Array, columns: Array, signed: bool) -> Array:
    """Cosines of the pairs (rows[i] of `a`, columns[i] of `b`), float64; absolute where not `signed`."""
    left, right = a.values[torch.from_numpy(rows)], b.values[torch.from_numpy(columns)]
    cosines = (left * right).sum(1).clamp(-1, 1)
    return (cosines if signed else cosines.abs()).numpy()
