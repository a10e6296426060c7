"""Token means of texts, one walk over stored activations: of the activations, and of a dictionary's codes.

Masked positions (padding, begin of text, special tokens) are in no sum and no count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from saebench.activations.sets import ActivationSet
from saebench.dictionaries.codes import Codes, SparseCodes
from saebench.dictionaries.contract import Context, Dictionary
from saebench.errors import DataError, SubjectFailed

Array = np.ndarray[Any, Any]

ROWS = 16
"""Texts in a block for each row of `rows_per_block`: no logits are made here, so that blocks may be larger."""


@dataclass(frozen=True)
class Block:
    """A run of texts."""

    start: int
    x: Tensor
    """`[rows, T, d]`."""
    mask: Tensor
    """`[rows, T]` bool."""
    texts: Tensor
    """Row in the block of each unmasked token, `[n]`."""
    counts: Tensor
    """Unmasked tokens of each row, `[rows]` float64."""


@dataclass(frozen=True)
class CodeMeans:
    """A dictionary's codes over texts."""

    means: sparse.csr_array
    """Mean code over each text's unmasked tokens, float32 `[texts, d_dict]`."""
    density: Array
    """Share of unmasked tokens on which each latent is active, `[d_dict]`."""
    tokens: int
    """Tokens that were encoded."""


def blocks(data: ActivationSet, rows_per_block: int, device: torch.device | str) -> Iterator[Block]:
    """The texts in order.

    Raises:
        DataError: a text has no unmasked token.
    """
    per_text = data.mask.sum(1)
    if not per_text.all():
        raise DataError(
            f"{int((per_text == 0).sum())} texts have no token that counts, the first is {int(np.argmin(per_text))}",
            field=data.rows.name,
        )
    size = ROWS * rows_per_block
    for start in range(0, data.n_rows, size):
        stop = min(start + size, data.n_rows)
        mask = torch.from_numpy(np.array(data.mask[start:stop]))
        width = int(mask.any(0).nonzero().max()) + 1
        mask = mask[:, :width].to(device)
        x = data.block(start, stop)[:, :width].to(device)
        yield Block(start, x, mask, mask.nonzero()[:, 0], mask.sum(1).double())


def activation_means(data: ActivationSet, rows_per_block: int, device: torch.device | str) -> Array:
    """Mean activation over each text's unmasked tokens, float64 `[texts, d]`.

    Raises:
        DataError: a text has no unmasked token.
    """
    parts = []
    for block in blocks(data, rows_per_block, device):
        x = block.x.cpu().double().masked_fill(~block.mask.cpu()[..., None], 0)
        parts.append((x.sum(1) / block.counts.cpu()[:, None]).numpy())
    return np.concatenate(parts)


@torch.inference_mode()
def code_means(
    dictionary: Dictionary, data: ActivationSet, rows_per_block: int, device: torch.device | str, dtype: torch.dtype
) -> CodeMeans:
    """Encode every unmasked token once.

    Raises:
        SubjectFailed: codes have the wrong shape or are not finite.
        DataError: a text has no unmasked token.
    """
    parts, tokens = [], 0
    fired = np.zeros(dictionary.d_dict)
    for block in blocks(data, rows_per_block, device):
        codes = encode(dictionary, block, dtype)
        tokens += codes.n
        fired += codes.fired().cpu().numpy()
        parts.append(sparse.csr_array(_means(codes, block).numpy()))
    return CodeMeans(sparse.csr_array(sparse.vstack(parts, format="csr")), fired / tokens, tokens)


def encode(dictionary: Dictionary, block: Block, dtype: torch.dtype) -> Codes:
    """Codes of the block's unmasked tokens; a reader of sequences is given the rows whole, with the mask.

    Raises:
        SubjectFailed: codes have the wrong shape or are not finite.
    """
    x = block.x.to(dtype)
    if dictionary.traits.sequence_coupled:
        rows, width = block.mask.shape
        positions = torch.arange(width, device=x.device).expand(rows, width)
        kept = block.mask.flatten()
        codes = dictionary.encode(x, Context(block.mask, positions))
        if codes.n != len(kept):
            raise SubjectFailed(f"{codes.n} codes for {len(kept)} tokens")
        codes = codes.select(kept)
    else:
        codes = dictionary.encode(x[block.mask])
    if codes.n != len(block.texts) or codes.d_dict != dictionary.d_dict:
        raise SubjectFailed(
            f"{codes.n} codes of {codes.d_dict} latents, for {len(block.texts)} tokens and {dictionary.d_dict} latents"
        )
    values = codes.values if isinstance(codes, SparseCodes) else codes.dense()
    if not bool(torch.isfinite(values).all()):
        raise SubjectFailed("the codes hold NaN or an infinity")
    return codes


def _means(codes: Codes, block: Block) -> Tensor:
    """Mean code of each row of the block, float32 `[rows, d_dict]` on the CPU; sums are in float64."""
    texts = block.texts.cpu()
    sums = torch.zeros(len(block.mask), codes.d_dict, dtype=torch.float64)
    if isinstance(codes, SparseCodes):
        places = texts[:, None] * codes.d_dict + codes.latents.cpu()
        sums.view(-1).index_add_(0, places.flatten(), codes.values.cpu().double().flatten())
    else:
        sums.index_add_(0, texts, codes.dense().cpu().double())
    return (sums / block.counts.cpu()[:, None]).float()
