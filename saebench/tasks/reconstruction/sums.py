"""Running sums over documents and latents: what the journal keeps and the item tables are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

Array = np.ndarray[Any, Any]


class Sums:
    """Named float64 columns over a fixed set of items, filled block by block.

    Args:
        size: number of items.
        columns: their names.
    """

    def __init__(self, size: int, columns: Sequence[str]) -> None:
        self.columns: dict[str, Array] = {name: np.zeros(size) for name in columns}

    def add(self, name: str, items: Array, values: Tensor | Array) -> None:
        """Add `values[i]` to item `items[i]` of a column; items may repeat."""
        column = self.columns[name]
        numbers = values.cpu().double().numpy() if isinstance(values, Tensor) else values
        column += np.bincount(items, weights=numbers, minlength=len(column))

    def arrays(self, prefix: str) -> dict[str, Array]:
        """The columns under `prefix/name`, for the journal."""
        return {f"{prefix}/{name}": column for name, column in self.columns.items()}

    def restore(self, prefix: str, arrays: Mapping[str, Array]) -> None:
        """The inverse of `arrays`."""
        self.columns = {name: arrays[f"{prefix}/{name}"].copy() for name in self.columns}
