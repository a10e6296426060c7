"""What a training pass knows: the trainer's state going in, the entries of the codes, the pass coming out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from saebench.dictionaries.codes import Codes
from saebench.dictionaries.entries import Entries

Weights = Mapping[str, Tensor]
"""Parameters and buffers by name; `W_enc` and `W_dec` are `[d_dict, d_in]`, a row a latent."""


@dataclass
class TrainingState:
    """What the trainer hands to every pass.

    Args:
        step: steps done before this one.
        total_steps: steps of the whole run.
        tokens_since_fired: `[d_dict]` int64, tokens since each latent was last active.
        dead_after: a latent is dead once it was silent for so many tokens.
        coefficients: present values of scheduled numbers by name; a name that is absent keeps the block's own value.
            A regulariser's weight goes by its `name` ("l1", "l0", ...), the power of `Lp` by "p".
        generator: randomness of the pass (sampled prefixes).
    """

    step: int
    total_steps: int
    tokens_since_fired: Tensor
    dead_after: int
    coefficients: dict[str, float] = field(default_factory=dict)
    generator: torch.Generator | None = None

    def dead(self) -> Tensor:
        """`[d_dict]` bool."""
        return self.tokens_since_fired >= self.dead_after


@dataclass(frozen=True)
class Preactivations:
    """What an encoder gives, at all entries or at some: arrays of the shape of the entries.

    Args:
        z: what the value is made from.
        gate: the gate's pre-activation, of encoders that have one.
    """

    z: Tensor
    gate: Tensor | None = None


@dataclass(frozen=True)
class Pass:
    """One training pass, seen by objectives and regularisers. Shapes: B tokens, F latents, d wide.

    Args:
        x: preprocessed input `[B, d]`.
        hidden: the encoder's linear part at all entries `[B, F]`, without gradient.
        entries: the (token, latent) pairs that carry gradients.
        pre: pre-activations at the entries.
        at: pre-activations at any other entries, with gradients.
        values: codes at the entries.
        x_hat: reconstruction `[B, d]` of the preprocessed input.
        prefixes: widths of the nested prefixes of this step, ascending, the last is F; () without nesting.
    """

    x: Tensor
    hidden: Tensor
    entries: Entries
    pre: Preactivations
    at: Callable[[Entries], Preactivations]
    values: Tensor
    x_hat: Tensor
    weights: Weights
    state: TrainingState
    prefixes: tuple[int, ...] = ()

    @property
    def residual(self) -> Tensor:
        """`x - x_hat`, without gradient."""
        return (self.x - self.x_hat).detach()


@dataclass(frozen=True)
class TrainingPass:
    """What the trainer gets back.

    Args:
        loss: the scalar to differentiate.
        parts: value of every term before its coefficient, without gradient; "reconstruction" is the objective.
        entries: the (token, latent) pairs that were computed.
        values: codes at the entries, in the units of the preprocessed input, without gradient.
        x_hat: the reconstruction of the preprocessed input.
        fired: on how many tokens of the batch each latent was active, `[d_dict]` int64.
        l0: mean number of active latents a token.
        cutoff: the smallest score that a fixed budget kept in this batch, None for other rules or if nothing was kept.
    """

    loss: Tensor
    parts: dict[str, Tensor]
    entries: Entries
    values: Tensor
    x_hat: Tensor
    fired: Tensor
    l0: Tensor
    cutoff: Tensor | None = None

    @cached_property
    def codes(self) -> Codes:
        """The codes of the batch."""
        return self.entries.codes(self.values)
