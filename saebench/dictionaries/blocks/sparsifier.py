"""Sparsifiers: which latents are active, and with what value.

A sparsifier is a triple. The **score** orders latents, the **rule** chooses by score, the **value** is what a chosen
latent gets. TopK is (z, row_topk, relu); AbsTopK is (abs, row_topk, signed); Gated is (gate, positive, relu).
"""

from __future__ import annotations

import abc
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from saebench.dictionaries.blocks.block import Block, block, build
from saebench.dictionaries.blocks.rules import Positive, Rule
from saebench.dictionaries.blocks.state import Preactivations, Weights
from saebench.dictionaries.entries import Entries


class Score(Block, abc.ABC):
    """Base of scores: a number for each entry, the larger the sooner chosen."""

    @abc.abstractmethod
    def at(self, pre: Preactivations, entries: Entries, weights: Weights) -> Tensor:
        """Scores at the entries."""


@block("score", "z")
@dataclass(frozen=True)
class PreactivationScore(Score):
    """The pre-activation itself."""

    def at(self, pre: Preactivations, entries: Entries, weights: Weights) -> Tensor:
        return pre.z


@block("score", "abs")
@dataclass(frozen=True)
class AbsoluteScore(Score):
    """`|z|`, for signed codes."""

    def at(self, pre: Preactivations, entries: Entries, weights: Weights) -> Tensor:
        return pre.z.abs()


@block("score", "z_norm")
@dataclass(frozen=True)
class NormScore(Score):
    """`z ||d_i||`: selection that does not change when decoder norms are folded away."""

    def at(self, pre: Preactivations, entries: Entries, weights: Weights) -> Tensor:
        return pre.z * entries.per_latent(weights["W_dec"].norm(dim=1))


@block("score", "gate")
@dataclass(frozen=True)
class GateScore(Score):
    """The gate's pre-activation, of a gated encoder."""

    def at(self, pre: Preactivations, entries: Entries, weights: Weights) -> Tensor:
        if pre.gate is None:
            raise ValueError("this encoder has no gate")
        return pre.gate


class Value(Block, abc.ABC):
    """Base of values."""

    signed: ClassVar[bool] = False

    @abc.abstractmethod
    def of(self, z: Tensor) -> Tensor:
        """Value of a chosen latent."""


@block("value", "relu")
@dataclass(frozen=True)
class ReluValue(Value):
    """`max(z, 0)`."""

    def of(self, z: Tensor) -> Tensor:
        return z.relu()


@block("value", "signed")
@dataclass(frozen=True)
class SignedValue(Value):
    """`z`, negative or positive."""

    signed: ClassVar[bool] = True

    def of(self, z: Tensor) -> Tensor:
        return z


@dataclass(frozen=True)
class Sparsifier:
    """A score, a rule and a value."""

    score: Score = field(default_factory=PreactivationScore)
    rule: Rule = field(default_factory=Positive)
    value: Value = field(default_factory=ReluValue)

    def choose(self, pre: Preactivations, weights: Weights) -> Entries:
        """Entries that hold every active latent, from pre-activations at all pairs `[n, d_dict]`."""
        return self.rule.choose(self.score.at(pre, Entries.every(pre.z), weights), weights)

    def reach(self, pre: Preactivations, weights: Weights) -> Entries:
        """Entries that carry gradients in training, likewise."""
        return self.rule.reach(self.score.at(pre, Entries.every(pre.z), weights), weights)

    def values(self, pre: Preactivations, entries: Entries, weights: Weights) -> Tensor:
        """Codes at the entries, with gradients."""
        return self.rule.let_through(self.value.of(pre.z), self.score.at(pre, entries, weights), entries, weights)

    def inference(self) -> Sparsifier:
        """What is applied to single tokens once training is over."""
        return Sparsifier(self.score, self.rule.inference(), self.value)

    def to_config(self) -> dict[str, Any]:
        """The JSON object of the three blocks."""
        return {"score": self.score.to_config(), "rule": self.rule.to_config(), "value": self.value.to_config()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Sparsifier:
        """The inverse of `to_config`."""
        parts = {slot: build(slot, config.get(slot, {})) for slot in ("score", "rule", "value")}
        return cls(**parts)  # type: ignore[arg-type]
