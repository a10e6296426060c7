"""Texts as the plain model reads them by themselves, without the prompt that they answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saebench.data.text_rows import rows_of_texts
from saebench.lm.loss import per_token_loss
from saebench.lm.model import LanguageModel

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

BATCH = 16
"""Texts that are read at once."""


@torch.no_grad()
def represented(lm: LanguageModel, site: str, texts: Sequence[str], context: int) -> tuple[FloatArray, BoolArray]:
    """Mean activation of each text's tokens at a site, `[n, width]`, and which texts have a token, bool `[n]`.

    A text without a token that counts is represented by zeros.

    Args:
        lm: the model.
        site: where it is read.
        texts: at least one.
        context: tokens that are read of a text, begin-of-text token included.
    """
    means, readable = [], []
    for tokens, mask in _batches(lm, texts, context):
        acts = lm.capture(tokens, [site])[site].double()
        total = (acts * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        means.append(total.cpu().numpy())
        readable.append(mask.any(1).cpu().numpy())
    return np.concatenate(means), np.concatenate(readable)


@torch.no_grad()
def loss_of(lm: LanguageModel, texts: Sequence[str], context: int, shuffle: torch.Generator | None = None) -> float:
    """Mean loss in nats of all tokens that count of some texts; with `shuffle`, of each text's tokens in random order.

    Args:
        lm: the model.
        texts: at least one with a token that counts.
        context: tokens that are read of a text, begin-of-text token included.
        shuffle: draws the orders.
    """
    total, count = 0.0, 0
    for tokens, mask in _batches(lm, texts, context):
        if shuffle is not None:
            tokens = tokens.clone()
            for row, counts in zip(tokens, mask, strict=True):
                ids = row[counts]
                row[counts] = ids[torch.randperm(len(ids), generator=shuffle).to(ids.device)]
        losses = per_token_loss(lm.logits(tokens), tokens)
        total += float(losses[mask[:, 1:]].double().sum())
        count += int(mask.sum())
    return total / count


def _batches(lm: LanguageModel, texts: Sequence[str], context: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Tokens int64 `[b, T]` and mask bool `[b, T]` of a few texts at a time, on the model's device."""
    rows = rows_of_texts(
        texts,
        lm.tokenizer,
        tokenizer_hash=lm.tokenizer_hash,
        context=context,
        ids=[""] * len(texts),
        name="texts",
        licence="",
    )
    for start in range(0, len(texts), BATCH):
        part = slice(start, start + BATCH)
        tokens = torch.from_numpy(rows.tokens[part].astype(np.int64))
        yield tokens.to(lm.device), torch.from_numpy(rows.mask[part]).to(lm.device)
