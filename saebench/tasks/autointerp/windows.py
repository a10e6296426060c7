"""Evaluated tokens in windows of equal length, and what some latents do there: one pass over the tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse

from saebench.token_means.means import blocks, encode

if TYPE_CHECKING:
    from saebench.activations.sets import ActivationSet
    from saebench.data.packing import PackedRows
    from saebench.dictionaries.contract import Dictionary
    from saebench.tasks.contract import Bench

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Windows:
    """Disjoint windows of neighbouring unmasked tokens, each inside one document and one row.

    A stretch of tokens is cut from its start; what is left at its end is no window.
    """

    tokens: Array
    """Token ids, int64 `[windows, length]`."""
    places: Array
    """Where each stands among the unmasked tokens, int64 `[windows, length]`."""

    @classmethod
    def of(cls, rows: PackedRows, length: int) -> Windows:
        """The windows of packed rows."""
        row, column = np.nonzero(rows.mask)
        tokens, document = rows.tokens[row, column], rows.documents[row, column]
        goes_on = (np.diff(row) == 0) & (np.diff(column) == 1) & (np.diff(document) == 0)
        cuts = np.concatenate([[0], np.flatnonzero(~goes_on) + 1, [len(row)]])
        starts = [np.arange(first, last - length + 1, length) for first, last in pairwise(cuts)]
        places = np.concatenate(starts).astype(np.int64)[:, None] + np.arange(length)
        return cls(tokens[places].astype(np.int64), places)

    def values(self, column: Array) -> Array:
        """Codes of a latent `[tokens]` as `[windows, length]`."""
        return np.asarray(column[self.places])


@torch.inference_mode()
def codes_of(dictionary: Dictionary, latents: Sequence[int], data: ActivationSet, bench: Bench) -> Any:
    """Codes of some latents on all unmasked tokens, in their order: scipy CSC float32 `[tokens, len(latents)]`.

    Raises:
        SubjectFailed: codes have the wrong shape or are not finite.
    """
    device, dtype = bench.lm.device, bench.lm.dtype
    wanted = torch.tensor(latents, dtype=torch.int64, device=device)
    parts = []
    with bench.progress.bar("codes of sampled latents", data.n_rows, "row") as bar:
        for block in blocks(data, bench.rows_per_block, device):
            columns = encode(dictionary, block, dtype).columns(wanted)
            parts.append(sparse.csr_array(columns.float().cpu().numpy()))
            bar.advance(len(block.mask))
    return sparse.vstack(parts, format="csc")
