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


def mean(data: ActivationSet, folder: Path | None) -> Tensor:
    """Mean `[width]`, read from `folder` where it was kept."""

    def compute() -> Tensor:
        total = torch.zeros(data.width, dtype=torch.float64)
        for x in unmasked(data):
            total += x.sum(0)
        return total / data.n_tokens

    return kept(folder, "mean", (data.width,), compute)


def covariance(data: ActivationSet, folder: Path | None) -> Tensor:
    """Mean of `(x - mean)(x - mean)^T` `[width, width]`, read from `folder` where it was kept."""

    def compute() -> Tensor:
        center = mean(data, folder)
        total = torch.zeros(data.width, data.width, dtype=torch.float64)
        for x in unmasked(data):
            x -= center
            total.addmm_(x.T, x)
        return total / data.n_tokens

    return kept(folder, "covariance", (data.width, data.width), compute)


def unmasked(data: ActivationSet) -> Iterator[Tensor]:
    """The unmasked tokens in order, in float64 blocks `[n, width]`.

    Raises:
        DataError: there is none.
    """
    if data.n_tokens == 0:
        raise DataError("no unmasked token", field=data.rows.name, remedy="use more text")
    rows = max(1, TOKENS_AT_ONCE // data.context)
    for start in range(0, data.n_rows, rows):
        stop = min(start + rows, data.n_rows)
        mask = torch.from_numpy(np.array(data.mask[start:stop]))
        yield data.block(start, stop)[mask].double()


def kept(folder: Path | None, name: str, shape: tuple[int, ...], compute: Callable[[], Tensor]) -> Tensor:
    """A float64 tensor from an npz file of `folder` (members carry a CRC-32), computed where that is not sound."""
    if folder is None:
        return compute()
    path = folder / f"{name}.npz"
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
        with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as members:
            array = members[name]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    return torch.from_numpy(array) if array.shape == shape and array.dtype == np.float64 else None
