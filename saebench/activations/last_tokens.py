"""Activations of the last token of each text: what most probes read, without storing the tokens before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from saebench.activations.harvest import check_finite
from saebench.data.packing import PackedRows
from saebench.errors import DataError
from saebench.progress import Progress

if TYPE_CHECKING:
    from saebench.lm.model import LanguageModel

BATCH_TOKENS = 2048
"""Positions in a forward pass, padding included."""


def last_positions(rows: PackedRows) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Position of each row's last unmasked token, `[n_rows]`.

    Raises:
        DataError: a row has none.
    """
    counts = rows.mask.any(axis=1)
    if not counts.all():
        raise DataError(
            f"{int((~counts).sum())} texts have no token that counts, the first is {int(np.argmin(counts))}",
            field=rows.name,
        )
    last: np.ndarray[Any, np.dtype[np.int64]] = rows.context - 1 - np.argmax(rows.mask[:, ::-1], axis=1)
    return last


def last_tokens(lm: LanguageModel, rows: PackedRows, site: str, progress: Progress) -> np.ndarray[Any, Any]:
    """Activations `[n_rows, width]`, float32, of each row's last unmasked token.

    Rows of like length share a forward pass, so that little padding is computed. Attention is causal: what stands
    behind the last token does not matter.

    Raises:
        DataError: a row without an unmasked token, or activations that are not finite.
    """
    last = last_positions(rows)
    order = np.argsort(last, kind="stable")
    out = np.empty((rows.n_rows, lm.site(site).width), dtype=np.float32)
    with progress.bar(f"{rows.name} through {lm.name}", int(last.sum() + len(last)), "tok") as bar:
        start = 0
        while start < len(order):
            stop = start + 1
            while stop < len(order) and (stop + 1 - start) * (last[order[stop]] + 1) <= BATCH_TOKENS:
                stop += 1
            chosen = order[start:stop]
            width = int(last[chosen].max()) + 1
            tokens = torch.from_numpy(rows.tokens[chosen, :width].astype(np.int64)).to(lm.device)
            with torch.inference_mode():
                acts = lm.capture(tokens, [site])[site]
            picked = acts[torch.arange(len(chosen)), torch.from_numpy(last[chosen]).to(acts.device)].float().cpu()
            check_finite(picked, site, lm.name)
            out[chosen] = picked.numpy()
            bar.advance(int((last[chosen] + 1).sum()))
            start = stop
    return out
