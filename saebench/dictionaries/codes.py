"""Codes: the values of latents on tokens, sparse where the rule is, dense otherwise.

Both kinds offer the same operations. Activity is `value != 0`, so that signed codes count too.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as functional
from torch import Tensor

DENSE_ABOVE = 0.15
"""Codes become a matrix when the fullest token has a larger fraction of latents active.

At about this fraction an embedding bag costs as much as the matrix product (measured at 576 x 4096 on a CPU).
"""


class Codes(abc.ABC):
    """Codes of `n` tokens over `d_dict` latents."""

    @property
    @abc.abstractmethod
    def n(self) -> int:
        """Tokens."""

    @property
    @abc.abstractmethod
    def d_dict(self) -> int:
        """Latents."""

    @abc.abstractmethod
    def dense(self) -> Tensor:
        """`[n, d_dict]`."""

    @abc.abstractmethod
    def l0(self) -> Tensor:
        """Active latents of each token, `[n]`, float."""

    @abc.abstractmethod
    def l1(self) -> Tensor:
        """Sum of absolute values of each token, `[n]`, in float32 at least."""

    @abc.abstractmethod
    def fired(self) -> Tensor:
        """How many tokens each latent is active on, `[d_dict]`, int64."""

    @abc.abstractmethod
    def select(self, rows: Tensor) -> Self:
        """The codes of some tokens: `rows` is `[n]` bool, or indices of tokens."""

    @abc.abstractmethod
    def columns(self, latents: Tensor) -> Tensor:
        """Values of some latents, `[n, len(latents)]`."""

    @abc.abstractmethod
    def ablate(self, latents: Tensor) -> Self:
        """The same codes with some latents set to zero."""

    @abc.abstractmethod
    def top(self, k: int) -> tuple[Tensor, Tensor]:
        """Per token the `k` largest absolute values: (values, latents), each `[n, min(k, width)]`.

        Tokens with fewer than `k` active latents are filled with value 0; the latent beside a zero value
        is arbitrary.
        """

    @abc.abstractmethod
    def project(self, atoms: Tensor) -> Tensor:
        """`codes @ atoms`: `[n, d_out]` for atoms `[d_dict, d_out]`."""


@dataclass(frozen=True)
class DenseCodes(Codes):
    """Codes as one matrix `values` `[n, d_dict]`."""

    values: Tensor

    @property
    def n(self) -> int:
        return self.values.shape[0]

    @property
    def d_dict(self) -> int:
        return self.values.shape[1]

    def dense(self) -> Tensor:
        return self.values

    def l0(self) -> Tensor:
        return (self.values != 0).sum(1).to(torch.float32)

    def l1(self) -> Tensor:
        return self.values.abs().sum(1, dtype=torch.promote_types(self.values.dtype, torch.float32))

    def fired(self) -> Tensor:
        return (self.values != 0).sum(0)

    def select(self, rows: Tensor) -> DenseCodes:
        return DenseCodes(self.values[rows])

    def columns(self, latents: Tensor) -> Tensor:
        return self.values[:, latents]

    def ablate(self, latents: Tensor) -> DenseCodes:
        return DenseCodes(self.values.index_fill(1, latents, 0))

    def top(self, k: int) -> tuple[Tensor, Tensor]:
        latents = self.values.abs().topk(min(k, self.d_dict), dim=1).indices
        return self.values.gather(1, latents), latents

    def project(self, atoms: Tensor) -> Tensor:
        return self.values @ atoms


@dataclass(frozen=True)
class SparseCodes(Codes):
    """Codes as a fixed number of slots a token: `values` and `latents`, each `[n, slots]`.

    A slot of value 0 is inactive, whatever latent it names; a latent stands in at most one active slot of
    a token.
    """

    values: Tensor
    latents: Tensor
    width: int

    @property
    def n(self) -> int:
        return self.values.shape[0]

    @property
    def d_dict(self) -> int:
        return self.width

    def dense(self) -> Tensor:
        empty = torch.zeros(self.n, self.width, dtype=self.values.dtype, device=self.values.device)
        return empty.scatter_add(1, self.latents, self.values)

    def l0(self) -> Tensor:
        return (self.values != 0).sum(1).to(torch.float32)

    def l1(self) -> Tensor:
        return self.values.abs().sum(1, dtype=torch.promote_types(self.values.dtype, torch.float32))

    def fired(self) -> Tensor:
        return torch.bincount(self.latents[self.values != 0], minlength=self.width)

    def select(self, rows: Tensor) -> SparseCodes:
        return SparseCodes(self.values[rows], self.latents[rows], self.width)

    def columns(self, latents: Tensor) -> Tensor:
        place = torch.full((self.width,), -1, dtype=torch.long, device=latents.device)
        place[latents] = torch.arange(len(latents), device=latents.device)
        where = place[self.latents]
        values = torch.where(where >= 0, self.values, 0)
        empty = torch.zeros(self.n, len(latents), dtype=self.values.dtype, device=self.values.device)
        return empty.scatter_add(1, where.clamp(min=0), values)

    def ablate(self, latents: Tensor) -> SparseCodes:
        gone = torch.zeros(self.width, dtype=torch.bool, device=latents.device)
        gone[latents] = True
        return SparseCodes(torch.where(gone[self.latents], 0, self.values), self.latents, self.width)

    def top(self, k: int) -> tuple[Tensor, Tensor]:
        slots = self.values.abs().topk(min(k, self.values.shape[1]), dim=1).indices
        return self.values.gather(1, slots), self.latents.gather(1, slots)

    def project(self, atoms: Tensor) -> Tensor:
        if self.values.shape[1] == 0:
            return atoms.new_zeros(self.n, atoms.shape[1])
        return functional.embedding_bag(self.latents, atoms, mode="sum", per_sample_weights=self.values)


def compact(values: Tensor) -> Codes:
    """The cheaper of both kinds for codes given as a matrix `[n, d_dict]`: sparse when few are active."""
    n, width = values.shape
    flat = (values != 0).view(-1).nonzero().squeeze(1)
    if len(flat) > DENSE_ABOVE * values.numel():
        return DenseCodes(values)
    tokens = flat // width
    return from_pairs(values.reshape(-1)[flat], tokens, flat - tokens * width, n, width)


def from_pairs(values: Tensor, tokens: Tensor, latents: Tensor, n: int, width: int) -> Codes:
    """Codes of `n` tokens over `width` latents from a list: `values`, ascending `tokens`, `latents`, each `[pairs]`."""
    counts = torch.bincount(tokens, minlength=n)
    slots = int(counts.max()) if n else 0
    if slots > DENSE_ABOVE * width:
        return DenseCodes(values.new_zeros(n, width).index_put((tokens, latents), values))
    place = torch.arange(len(tokens), device=tokens.device) - (counts.cumsum(0) - counts)[tokens]
    spread = latents.new_zeros(n, slots).index_put((tokens, place), latents)
    return SparseCodes(values.new_zeros(n, slots).index_put((tokens, place), values), spread, width)
