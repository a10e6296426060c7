"""Endless batches of unmasked tokens in a seeded order, at any step of which one can go on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from saebench.errors import DataError, UsageError

if TYPE_CHECKING:
    from saebench.activations.sets import ActivationSet

Array = np.ndarray[Any, Any]


class ActivationBatches(Iterator[Tensor]):
    """An endless iterator of batches `[size, width]` of unmasked tokens.

    Each epoch is a permutation of all unmasked tokens, drawn from `PCG64([seed, epoch])`; the permutations follow
    each other without a gap, and step s is tokens `s * size` to `(s + 1) * size` of that endless row. So no token is
    left out: the last batch of an epoch is filled up from the next one, and may hold a token twice. The whole state
    is `step`; whatever the size of the set, 4 bytes a token (8 beyond 2^31 tokens) are held for the order.

    Args:
        source: a set, or a tensor `[n, width]`.
        size: tokens in a batch.
        seed: decides the order.
        device: where batches go.
        dtype: what batches are cast to.

    Raises:
        DataError: no token is unmasked.
        UsageError: `size` is below 1.
    """

    def __init__(
        self,
        source: ActivationSet | Tensor,
        size: int,
        *,
        seed: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if size < 1:
            raise UsageError(f"a batch needs at least one token, not {size}")
        self.size = size
        self.seed = seed
        self.device = torch.device(device)
        self.dtype = dtype
        self.step = 0
        self._source = source
        if isinstance(source, Tensor):
            self.width, allowed = int(source.shape[1]), np.arange(source.shape[0])
        else:
            self.width, allowed = source.width, np.flatnonzero(source.mask)
        if len(allowed) == 0:
            raise DataError("no unmasked token to draw batches from", remedy="use more text")
        self._allowed = allowed.astype(np.int32 if allowed[-1] < 2**31 else np.int64)
        self._orders: dict[int, Array] = {}

    @property
    def n_tokens(self) -> int:
        """Tokens in an epoch."""
        return len(self._allowed)

    def seek(self, step: int) -> None:
        """Make the next batch the one of `step`, counted from 0."""
        self.step = step

    def __next__(self) -> Tensor:
        positions = self._positions(self.step)
        self.step += 1
        if isinstance(self._source, Tensor):
            batch = self._source[torch.from_numpy(positions).to(self._source.device, torch.int64)]
        else:
            batch = self._source.take(positions)
        return batch.to(self.device, self.dtype)

    def _positions(self, step: int) -> Array:
        parts = []
        place, end = step * self.size, (step + 1) * self.size
        while place < end:
            epoch, offset = divmod(place, self.n_tokens)
            part = self._order(epoch)[offset : offset + end - place]
            parts.append(part)
            place += len(part)
        return np.concatenate(parts)

    def _order(self, epoch: int) -> Array:
        if epoch not in self._orders:
            generator = np.random.Generator(np.random.PCG64([self.seed, epoch]))
            self._orders = {epoch: generator.permutation(self._allowed)}
        return self._orders[epoch]
