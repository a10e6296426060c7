"""Batches of activations as the trainer reads them: in order, checked, and able to go to a step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from saebench.errors import DataError


@runtime_checkable
class Seekable(Protocol):
    """An iterator of batches that can be moved to the batch of any step."""

    def seek(self, step: int) -> None:
        """The next batch is the one of step `step` (from 0)."""


class Stream:
    """One pass over `batches`, any iterable of `[n, d]` tensors.

    `head` looks at the first batches without using them up. `seek` uses the iterator's own `seek` where it has one
    and otherwise reads and drops batches, so a plain iterator must be handed over at its beginning.
    """

    def __init__(self, batches: Iterable[Tensor]) -> None:
        self._batches = iter(batches)
        self._held: list[Tensor] = []
        self.step = 0

    def head(self, count: int) -> list[Tensor]:
        """The first batches of the stream: `count`, or as many as there are.

        Raises:
            DataError: there is none.
        """
        if self.step:
            raise ValueError("the stream has moved on: its first batches are gone")
        missing = max(0, count - len(self._held))
        self._held.extend(checked(batch) for batch in islice(self._batches, missing))
        if not self._held:
            raise DataError("the activations hold no batch", remedy="check the corpus and the batch size")
        return self._held[:count]

    def seek(self, step: int) -> None:
        """The next batch is the one of step `step`, at or after the present one."""
        if step == self.step:
            return
        if isinstance(self._batches, Seekable):
            self._batches.seek(step)
            self._held.clear()
            self.step = step
            return
        while self.step < step:
            self.next()

    def next(self) -> Tensor:
        """The batch of this step.

        Raises:
            DataError: the activations have ended.
        """
        if self._held:
            batch = self._held.pop(0)
        else:
            try:
                batch = checked(next(self._batches))
            except StopIteration:
                raise DataError(
                    f"the activations ended after {self.step} batches",
                    remedy="train fewer steps, or hand in an iterator that starts a new epoch by itself",
                ) from None
        self.step += 1
        return batch


def checked(batch: Tensor) -> Tensor:
    """The batch itself, when it is one.

    Raises:
        DataError: it is no floating `[n, d]` tensor with n > 0.
    """
    if not isinstance(batch, Tensor) or batch.ndim != 2 or not batch.is_floating_point() or not len(batch):
        found = f"{batch.dtype} {list(batch.shape)}" if isinstance(batch, Tensor) else type(batch).__name__
        raise DataError(f"a batch of activations must be a floating tensor [n, d], not {found}")
    return batch


class TensorBatches(Iterator[Tensor]):
    """Endless batches from activations `[n, d]` in memory, in a new seeded order each epoch.

    Every batch has `size` rows: the rest of an epoch that fills no batch is left out of it. The order of epoch e
    depends on (seed, e) alone, so `seek` costs one permutation.

    Raises:
        DataError: fewer rows than one batch.
    """

    def __init__(self, activations: Tensor, size: int, *, seed: int = 0) -> None:
        self._rows = checked(activations)
        self._size = size
        self._seed = seed
        self._per_epoch = len(activations) // size
        if not self._per_epoch:
            raise DataError(f"{len(activations)} rows of activations fill no batch of {size}")
        self._step = 0
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)

    def seek(self, step: int) -> None:
        """The next batch is the one of step `step` (from 0)."""
        self._step = step

    def __next__(self) -> Tensor:
        epoch, place = divmod(self._step, self._per_epoch)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self._seed * 1_000_003 + epoch)
            self._order = torch.randperm(len(self._rows), generator=generator)
            self._epoch = epoch
        self._step += 1
        return self._rows[self._order[place * self._size : (place + 1) * self._size]]
