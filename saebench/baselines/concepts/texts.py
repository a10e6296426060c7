"""Texts as a concept method sees them: activations of their tokens, which of them count, and their words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from saebench.activations.sets import ActivationSet
from saebench.errors import DataError

IntArray = np.ndarray[Any, np.dtype[np.int64]]
FloatArray = np.ndarray[Any, np.dtype[np.float64]]
Pooling = Literal["max", "mean"]


@dataclass(frozen=True, eq=False)
class ConceptTexts:
    """`n` texts, one a row, each with at least one token that counts.

    Attributes:
        x: activations of the site, `[n, T, d]`, on the CPU.
        mask: which positions count, bool `[n, T]`; the inserted first position never does.
        tokens: int64 `[n, T]`.
        strings: what the model read, `n` texts; empty where no words are known.
        site: name of the site.
        entry: activations of the site that `LanguageModel.resume` needs besides, or None.
    """

    x: Tensor
    mask: Tensor
    tokens: Tensor
    strings: tuple[str, ...]
    site: str
    entry: Tensor | None = None

    def __post_init__(self) -> None:
        if not bool(self.mask.any(1).all()):
            raise DataError("a text has no token that counts", field=self.site)

    @classmethod
    def of(
        cls, stored: ActivationSet, rows: IntArray, strings: Sequence[str], entry: ActivationSet | None = None
    ) -> ConceptTexts:
        """Some rows of stored activations, in the order given and cut to the longest of them."""
        mask = torch.from_numpy(np.array(stored.mask[rows]))
        width = int(mask.any(0).nonzero().max()) + 1
        places = (rows[:, None] * stored.context + np.arange(width)).reshape(-1)

        def taken(held: ActivationSet) -> Tensor:
            return held.take(places).view(len(rows), width, held.width)

        return cls(
            taken(stored),
            mask[:, :width],
            torch.from_numpy(stored.tokens[rows, :width].astype(np.int64)),
            tuple(strings[row] for row in rows),
            stored.site,
            taken(entry) if entry is not None else None,
        )

    def __len__(self) -> int:
        return len(self.mask)

    @property
    def width(self) -> int:
        """Width of the site."""
        return int(self.x.shape[2])

    @cached_property
    def counts(self) -> IntArray:
        """Tokens that count in each text, `[n]`."""
        counted: IntArray = self.mask.sum(1).numpy()
        return counted

    @cached_property
    def flat(self) -> Tensor:
        """Activations of the tokens that count, text by text, `[tokens, d]` float32."""
        return self.x[self.mask].float()

    @cached_property
    def owner(self) -> IntArray:
        """The text of each token that counts, `[tokens]`."""
        return np.repeat(np.arange(len(self)), self.counts)

    def some(self, rows: IntArray) -> ConceptTexts:
        """Some of the texts, in the order given."""
        chosen = torch.from_numpy(rows)
        return ConceptTexts(
            self.x[chosen],
            self.mask[chosen],
            self.tokens[chosen],
            tuple(self.strings[row] for row in rows) if self.strings else (),
            self.site,
            self.entry[chosen] if self.entry is not None else None,
        )

    def pooled(self, scores: FloatArray, pooling: Pooling) -> FloatArray:
        """One number a text from one a token that counts: their maximum or their mean, `[n]`."""
        starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        if pooling == "max":
            return np.asarray(np.maximum.reduceat(scores, starts))
        return np.asarray(np.add.reduceat(scores, starts) / self.counts)
