"""What is done at the site: some latents clamped, or a direction taken out; each in several configurations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saebench.dictionaries.codes import DenseCodes
from saebench.dictionaries.contract import Dictionary
from saebench.errors import SubjectFailed

IntArray = NDArray[np.int64]


class Family(Protocol):
    """Configurations of one way to edit; number 0 leaves everything alone."""

    @property
    def configurations(self) -> Sequence[dict[str, Any]]:
        """Each as JSON values."""

    def edited(self, x: Tensor, which: Sequence[int]) -> Iterator[Tensor]:
        """Activations `[n, width]` under each of some configurations."""


@dataclass(frozen=True)
class Latents:
    """Active latents of `of` set to `values`, both of the same length."""

    of: IntArray
    values: NDArray[np.float64]
    about: dict[str, Any]


@dataclass(frozen=True, eq=False)
class LatentEdits:
    """x + decode(codes with some active latents set to other values) - decode(codes).

    So the dictionary's error stays. A latent that is not active is left alone.
    """

    dictionary: Dictionary
    listed: Sequence[Latents]

    @property
    def configurations(self) -> Sequence[dict[str, Any]]:
        return [one.about for one in self.listed]

    @torch.no_grad()
    def edited(self, x: Tensor, which: Sequence[int]) -> Iterator[Tensor]:
        codes = self.dictionary.encode(x)
        for number in which:
            one = self.listed[number]
            if not len(one.of):
                yield x
                continue
            latents = torch.from_numpy(one.of).to(x.device)
            values = codes.columns(latents)
            rows = (values != 0).any(1).nonzero()[:, 0]
            if not len(rows):
                yield x
                continue
            before = codes.select(rows).dense()
            target = torch.from_numpy(one.values).to(before)
            after = before.clone()
            after[:, latents] = torch.where(values[rows] != 0, target, 0.0).to(before)
            given = x[rows] if self.dictionary.traits.needs_x_in_decode else None
            decoded = [self.dictionary.decode(DenseCodes(part), given) for part in (after, before)]
            out = x.clone()
            out[rows] += decoded[0] - decoded[1]
            yield finite(out)


@dataclass(frozen=True, eq=False)
class DirectionEdits:
    """x - strength * (<x, w> - level) w, for a unit direction w and its mean projection on retained text.

    Strength 1 gives every token the retained text's projection; more than 1 goes beyond it.
    """

    direction: Tensor
    level: float
    strengths: Sequence[float]

    @property
    def configurations(self) -> Sequence[dict[str, Any]]:
        return [{"strength": one} for one in (0.0, *self.strengths)]

    def edited(self, x: Tensor, which: Sequence[int]) -> Iterator[Tensor]:
        w = self.direction.to(x)
        beyond = (x @ w - self.level)[:, None] * w
        for number in which:
            strength = (0.0, *self.strengths)[number]
            yield finite(x - strength * beyond) if strength else x


def finite(x: Tensor) -> Tensor:
    """The same, if it is finite.

    Raises:
        SubjectFailed: it is not.
    """
    if not bool(torch.isfinite(x).all()):
        raise SubjectFailed("the edited activations hold NaN or an infinity")
    return x
