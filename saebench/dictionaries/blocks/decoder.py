"""Decoders: from codes to a reconstruction."""

from __future__ import annotations

import abc
from dataclasses import dataclass

from torch import Tensor

from saebench.dictionaries.blocks.block import Block, block
from saebench.dictionaries.blocks.state import Weights
from saebench.dictionaries.codes import Codes
from saebench.dictionaries.entries import Entries


class Decoder(Block, abc.ABC):
    """Base of the slot. `ordered`: the order of latents has a meaning, so that they must never be permuted."""

    ordered: bool

    @abc.abstractmethod
    def at(self, values: Tensor, entries: Entries, weights: Weights) -> Tensor:
        """Reconstruction `[n, d]` of values at the entries, with gradients."""

    @abc.abstractmethod
    def of(self, codes: Codes, weights: Weights) -> Tensor:
        """Reconstruction `[n, d]` of codes."""


@block("decoder", "linear")
@dataclass(frozen=True)
class LinearDecoder(Decoder):
    """`x_hat = f W_dec + b_dec`."""

    ordered: bool = False

    def at(self, values: Tensor, entries: Entries, weights: Weights) -> Tensor:
        return entries.bag(values, weights["W_dec"]) + weights["b_dec"]

    def of(self, codes: Codes, weights: Weights) -> Tensor:
        return codes.project(weights["W_dec"]) + weights["b_dec"]
