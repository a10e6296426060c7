"""From continuations to scores between 0 and 2: concept, instruction, fluency, and their harmonic mean.

The scale is AxBench's (Wu et al. 2025, arXiv 2501.17148), whose scores a language model gives. These are computed, so
that they have other names and their numbers are not comparable with AxBench's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

TOP = 2.0
"""The best score."""
GRAM = 3
"""A token is repeated where it ends a run of so many tokens that the text has had before."""


def harmonic(*scores: FloatArray) -> FloatArray:
    """Harmonic mean of scores of 0 and more, element by element; 0 where one of them is 0."""
    stacked = np.stack(scores)
    with np.errstate(divide="ignore"):
        means: FloatArray = len(stacked) / (1 / stacked).sum(0)
    return means


def novel(tokens: Tensor, counted: Tensor) -> Tensor:
    """Which tokens are not repeated, bool `[n, T]`: counted ones that do not end a run of three that came before.

    Args:
        tokens: int64 `[n, T]`.
        counted: bool `[n, T]`, true from the first step on.
    """
    kept = counted.clone()
    for row, length in enumerate(counted.sum(1).tolist()):
        ids, seen = tokens[row, :length].tolist(), set()
        for end in range(GRAM, length + 1):
            run = tuple(ids[end - GRAM : end])
            kept[row, end - 1] = run not in seen
            seen.add(run)
    return kept


def fluency(loss: Tensor, tokens: Tensor, counted: Tensor, natural: float, shuffled: float) -> FloatArray:
    """2 x (share of tokens that are not repeated) x (how predictable those are), `[n]`; 0 for a text without a token.

    Predictability is 1 up to the loss of natural texts, 0 from that of the same texts with shuffled tokens on, and
    linear between. Repeated tokens are left out of it, as they are easy to predict.

    Args:
        loss: nats of each token under the plain model, `[n, T]`.
        tokens, counted: `[n, T]`.
        natural, shuffled: nats a token, natural < shuffled.
    """
    new = novel(tokens, counted)
    news = new.sum(1).double()
    mean = (loss.double() * new).sum(1) / news.clamp(min=1)
    predictable = ((shuffled - mean) / (shuffled - natural)).clamp(0, 1)
    share = news / counted.sum(1).clamp(min=1)
    return np.asarray((TOP * share * predictable).numpy())


def standing(texts: FloatArray, prompts: FloatArray, own: np.ndarray[Any, Any]) -> FloatArray:
    """How far each text's own prompt stands out among all, `[n]`: in standard deviations of the others' cosines.

    Args:
        texts: representations `[n, d]`, centred.
        prompts: representations `[m, d]`, centred, m of 3 and more.
        own: int64 `[n]`, the prompt of each text.
    """
    cosines = unit(texts) @ unit(prompts).T
    rows = np.arange(len(texts))
    others = cosines.copy()
    others[rows, own] = np.nan
    spread = np.nanstd(others, axis=1)
    gap = cosines[rows, own] - np.nanmean(others, axis=1)
    return np.where(spread > 0, gap / np.where(spread > 0, spread, 1), 0.0)


def unit(rows: FloatArray) -> FloatArray:
    """Rows of length 1; rows of length 0 stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1))


def kept(stands: FloatArray, full: float) -> FloatArray:
    """Instruction scores `[n]`: 2 where a text's prompt stands out as in the plain model's texts, 0 where it does not.

    Args:
        stands: `standing` of the texts.
        full: mean of it over the plain model's own texts, above 0.
    """
    return np.asarray(TOP * np.clip(stands / full, 0, 1))


def mean_over(values: Tensor, counted: Tensor) -> FloatArray:
    """Mean of `values` `[n, T]` over the steps that count, `[n]`; 0 where none does."""
    total = (values.double() * counted).sum(1) / counted.sum(1).clamp(min=1)
    return np.asarray(total.numpy())
