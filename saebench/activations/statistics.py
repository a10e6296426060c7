"""Moments of a set's unmasked activations, streamed in float64 and kept beside them on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from saebench.errors import DataError
from saebench.results.atomic import write_bytes

if TYPE_CHECKING:
    from saebench.activations.sets import ActivationSet

FOLDER = "statistics"
"""Folder of an entry that holds what was computed from its shards."""

TOKENS_AT_ONCE = 4096
"""Tokens of which a float64 copy exists at a time."""


class Statistics:
    """Mean and covariance of one set.

    Args:
        data: the set.
        folder: where they are kept, each in an npz file (whose members carry a CRC-32), or None.
    """

    def __init__(self, data: ActivationSet, folder: Path | None) -> None:
        self._data = data
        self._folder = folder
        self._mean: Tensor | None = None

    def mean(self) -> Tensor:
        """Mean `[width]`."""
        if self._mean is None:
            self._mean = self._kept("mean", (self._data.width,), self._compute_mean)
        return self._mean.clone()

    def covariance(self) -> Tensor:
        """Mean of `(x - mean)(x - mean)^T` `[width, width]`."""
        return self._kept("covariance", (self._data.width, self._data.width), self._compute_covariance)

    def _compute_mean(self) -> Tensor:
        total = torch.zeros(self._data.width, dtype=torch.float64)
        for x in self._unmasked():
            total += x.sum(0)
        return total / self._data.n_tokens

    def _compute_covariance(self) -> Tensor:
        mean = self.mean()
        total = torch.zeros(self._data.width, self._data.width, dtype=torch.float64)
        for x in self._unmasked():
            x -= mean
            total.addmm_(x.T, x)
        return total / self._data.n_tokens

    def _unmasked(self) -> Iterator[Tensor]:
        if self._data.n_tokens == 0:
            raise DataError("no unmasked token", field=self._data.rows.name, remedy="use more text")
        rows = max(1, TOKENS_AT_ONCE // self._data.context)
        for start in range(0, self._data.n_rows, rows):
            stop = min(start + rows, self._data.n_rows)
            mask = torch.from_numpy(np.array(self._data.mask[start:stop]))
            yield self._data.block(start, stop)[mask].double()

    def _kept(self, name: str, shape: tuple[int, ...], compute: Callable[[], Tensor]) -> Tensor:
        if self._folder is None:
            return compute()
        path = self._folder / f"{name}.npz"
        found = read(path, name, shape)
        if found is None:
            found = compute()
            buffer = BytesIO()
            np.savez(buffer, allow_pickle=False, **{name: found.numpy()})
            write_bytes(path, buffer.getvalue())
        return found


def read(path: Path, name: str, shape: tuple[int, ...]) -> Tensor | None:
    """A float64 tensor of `shape` from an npz file, or None when there is none or it is not whole."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            array = kept[name]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    return torch.from_numpy(array) if array.shape == shape and array.dtype == np.float64 else None
