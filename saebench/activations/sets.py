"""The activations of one site over packed rows, read in blocks or token by token from mapped files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from saebench.activations import statistics
from saebench.activations.batches import ActivationBatches
from saebench.activations.leases import Lease
from saebench.activations.shards import as_stored, as_tensor, tensor_dtype
from saebench.data.packing import PackedRows
from saebench.fingerprint import array_digest

Array = np.ndarray[Any, Any]


class ActivationSet:
    """Activations of one site, `[n_rows, context, width]`, with the token ids, mask and documents of their rows.

    Values lie in mapped files: whatever is read is a copy, and nothing else stays in the process's own memory. A set
    from the store holds a lease, so that its files stay while it lives.

    Args:
        site: name of the site.
        rows: the packed rows that the model read.
        key: 32 hex digits over everything that decides the values.
        pieces: the values, cut along tokens: arrays `[tokens, width]` of float32, or of the bits of bfloat16 as int16.
        folder: where statistics are kept, or None to compute them anew in each process.
        lease: keeps the files from being evicted.
    """

    def __init__(
        self,
        *,
        site: str,
        rows: PackedRows,
        key: str,
        pieces: Sequence[Array],
        folder: Path | None = None,
        lease: Lease | None = None,
    ) -> None:
        self.site = site
        self.rows = rows
        self.key = key
        self.width = int(pieces[0].shape[1])
        self.dtype = tensor_dtype(pieces[0])
        self._pieces = tuple(pieces)
        self._starts = np.cumsum([0, *(len(piece) for piece in pieces)])
        self._lease = lease
        self._folder = folder
        self._mean: Tensor | None = None

    @classmethod
    def from_tensor(
        cls,
        x: Tensor,
        mask: Tensor | None = None,
        documents: Tensor | None = None,
        *,
        site: str = "blocks.0.hook_resid_post",
    ) -> Self:
        """A set in memory, of activations that come from elsewhere or are made up.

        Args:
            x: float32 or bfloat16, `[rows, context, width]`, or `[n, width]` for rows of one token.
            mask: bool, the shape of `x` without its last axis; default all True.
            documents: integers of the same shape, counting documents from 0; default one document a row.
            site: what the site is called.
        """
        x = (x[:, None] if x.ndim == 2 else x).detach().cpu().contiguous()
        shape = tuple(x.shape[:2])
        masks = np.ones(shape, dtype=bool) if mask is None else mask.cpu().numpy().reshape(shape)
        one_a_row = np.broadcast_to(np.arange(shape[0], dtype=np.int32)[:, None], shape)
        of = one_a_row if documents is None else documents.cpu().numpy().reshape(shape).astype(np.int32)
        names = tuple(f"document-{index}" for index in range(int(of.max(initial=-1)) + 1))
        values = as_stored(x.flatten(0, 1), x.dtype)
        key = array_digest({"x": values, "mask": masks, "documents": of})
        rows = PackedRows(
            name="memory",
            licence="none",
            fingerprint=key,
            tokens=np.zeros(shape, dtype=np.int32),
            mask=masks,
            documents=of,
            document_ids=names,
            document_hashes=names,
            packing={"context": shape[1]},
            mask_rule="as given",
        )
        return cls(site=site, rows=rows, key=key, pieces=[values])

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.rows.n_rows

    @property
    def context(self) -> int:
        """Tokens in a row, masked ones included."""
        return self.rows.context

    @property
    def n_tokens(self) -> int:
        """Number of unmasked tokens."""
        return self.rows.n_tokens

    @property
    def tokens(self) -> Array:
        """Token ids, int32 `[n_rows, context]`."""
        return self.rows.tokens

    @property
    def mask(self) -> Array:
        """True where a token counts, bool `[n_rows, context]`."""
        return self.rows.mask

    @property
    def documents(self) -> Array:
        """Index into `document_ids` of each token, -1 for none; int32 `[n_rows, context]`."""
        return self.rows.documents

    @property
    def document_ids(self) -> Sequence[str]:
        """Names of the documents."""
        return self.rows.document_ids

    def block(self, start: int, stop: int) -> Tensor:
        """Rows `start` to `stop` (not included), a copy `[b, context, width]` in the dtype of the store, on the CPU."""
        first, last = start * self.context, stop * self.context
        parts = [
            piece[max(first - begin, 0) : max(last - begin, 0)]
            for piece, begin in zip(self._pieces, self._starts, strict=False)
        ]
        values = as_tensor(np.concatenate(parts))
        return values.view(-1, self.context, self.width)

    def take(self, positions: Array) -> Tensor:
        """Single tokens, a copy `[n, width]` in the dtype of the store and the order of `positions`.

        Args:
            positions: integers `[n]`, `row * context + place in the row`.
        """
        order = np.argsort(positions)
        ordered = positions[order]
        values = np.empty((len(positions), self.width), dtype=self._pieces[0].dtype)
        cuts = np.searchsorted(ordered, self._starts)
        for index, piece in enumerate(self._pieces):
            low, high = cuts[index], cuts[index + 1]
            if low < high:
                values[order[low:high]] = piece[ordered[low:high] - self._starts[index]]
        return as_tensor(values)

    def batches(
        self, size: int, *, seed: int, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> ActivationBatches:
        """Endless batches `[size, width]` of unmasked tokens in a seeded order: see `ActivationBatches`."""
        return ActivationBatches(self, size, seed=seed, device=device, dtype=dtype)

    def mean(self) -> Tensor:
        """Mean over unmasked tokens, float64 `[width]`, computed once and kept beside the activations.

        Raises:
            DataError: no token is unmasked.
        """
        if self._mean is None:
            self._mean = statistics.mean(self, self._folder)
        return self._mean.clone()

    def covariance(self) -> Tensor:
        """Covariance about the mean over unmasked tokens, divided by their number, float64 `[width, width]`.

        Computed once and kept beside the activations on disk, not in memory.

        Raises:
            DataError: no token is unmasked.
        """
        return statistics.covariance(self, self._folder)
