"""Encoders: from activations to pre-activations.

Every encoder has one linear part, `h = (x - c) W_enc^T + b` with `W_enc` `[d_dict, d_in]`, and a cheap elementwise
`finish` that makes pre-activations of it. The linear part is the cost of a dictionary: it is computed once, without
gradient, and given gradients at the entries alone.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from saebench.dictionaries.blocks.block import Block, block
from saebench.dictionaries.blocks.state import Preactivations, Weights
from saebench.dictionaries.entries import Entries


class Encoder(Block, abc.ABC):
    """Base of the slot.

    Attributes:
        parameters: names of vectors `[d_dict]` that the encoder learns beside `W_enc`, all zero at the start.
        in_input_units: those of them that scale with the input.
        has_gate: pre-activations carry a gate.
    """

    subtract_b_dec: bool
    in_input_units: ClassVar[tuple[str, ...]]
    has_gate: ClassVar[bool] = False

    @property
    @abc.abstractmethod
    def parameters(self) -> tuple[str, ...]:
        """Names of the vectors `[d_dict]`."""

    @property
    @abc.abstractmethod
    def bias(self) -> str | None:
        """Which of them is added in the linear part."""

    @abc.abstractmethod
    def finish(self, hidden: Tensor, entries: Entries, weights: Weights) -> Preactivations:
        """Pre-activations from the linear part, both at the entries."""

    def hidden(self, x: Tensor, weights: Weights) -> Tensor:
        """The linear part at all pairs, `[n, d_dict]`."""
        centre, bias = self._centre(weights), self._bias(weights)
        inputs = x if centre is None else x - centre
        rows = weights["W_enc"]
        return inputs @ rows.T if bias is None else torch.addmm(bias, inputs, rows.T)

    def at(self, x: Tensor, hidden: Tensor, entries: Entries, weights: Weights) -> Preactivations:
        """Pre-activations at the entries, with gradients; `hidden` is the linear part at all pairs."""
        linear = entries.linear(x, self._centre(weights), weights["W_enc"], self._bias(weights), hidden)
        return self.finish(linear, entries, weights)

    def _centre(self, weights: Weights) -> Tensor | None:
        return weights["b_dec"] if self.subtract_b_dec else None

    def _bias(self, weights: Weights) -> Tensor | None:
        return None if self.bias is None else weights[self.bias]


@block("encoder", "linear")
@dataclass(frozen=True)
class LinearEncoder(Encoder):
    """`z = (x - b_dec) W_enc^T + b_enc`."""

    subtract_b_dec: bool = True
    with_bias: bool = True

    in_input_units: ClassVar[tuple[str, ...]] = ("b_enc",)

    @property
    def parameters(self) -> tuple[str, ...]:
        return ("b_enc",) if self.with_bias else ()

    @property
    def bias(self) -> str | None:
        return "b_enc" if self.with_bias else None

    def finish(self, hidden: Tensor, entries: Entries, weights: Weights) -> Preactivations:
        return Preactivations(hidden)


@block("encoder", "gated")
@dataclass(frozen=True)
class GatedEncoder(Encoder):
    """With `u = (x - b_dec) W_enc^T`: gate `u + b_gate`, magnitude `z = e^r_mag u + b_mag`.

    Rajamanoharan et al. 2024, "Improving dictionary learning with gated sparse autoencoders", section 3.
    """

    subtract_b_dec: bool = True

    in_input_units: ClassVar[tuple[str, ...]] = ("b_gate", "b_mag")
    has_gate: ClassVar[bool] = True

    @property
    def parameters(self) -> tuple[str, ...]:
        return ("r_mag", "b_gate", "b_mag")

    @property
    def bias(self) -> None:
        return None

    def finish(self, hidden: Tensor, entries: Entries, weights: Weights) -> Preactivations:
        gain, offset = entries.per_latent(weights["r_mag"]).exp(), entries.per_latent(weights["b_mag"])
        return Preactivations(gain * hidden + offset, hidden + entries.per_latent(weights["b_gate"]))
