"""Objectives: how far a reconstruction is from the input.

The scale is part of the definition, because coefficients of penalties do not carry over between scales: `sum` is the
mean over tokens of the squared distance, `mse` divides it by d, `fvu` divides by the variance of the batch.
"""

from __future__ import annotations

import abc
import itertools
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from saebench.dictionaries.blocks.block import Block, block
from saebench.dictionaries.blocks.state import Pass, TrainingState
from saebench.dictionaries.entries import Entries
from saebench.errors import CompositionError

Scale = Literal["sum", "mse", "fvu"]


class Objective(Block, abc.ABC):
    """Base of the slot."""

    nested: bool = False
    """Prefixes of the latents reconstruct as well, so that their order gets a meaning."""

    def prefixes(self, width: int, state: TrainingState) -> tuple[int, ...]:
        """Prefix widths of this step, ascending, the last is `width`; () without nesting."""
        return ()

    def widened(self, width: int, added: int) -> Objective:
        """The objective once `added` latents stand behind the first `width`: those keep what they were asked for."""
        return self

    @abc.abstractmethod
    def loss(self, seen: Pass) -> Tensor:
        """The scalar to minimise."""


@block("objective", "reconstruction")
@dataclass(frozen=True)
class Reconstruction(Objective):
    """Distance of `x_hat` from `x`."""

    scale: Scale = "sum"

    def loss(self, seen: Pass) -> Tensor:
        return distance(seen.x, seen.x_hat, self.scale)


class Nested(Objective):
    """Mean of the distances of prefix reconstructions `x_hat^(m) = f_{:m} W_dec[:m] + b_dec`."""

    scale: Scale
    with_b_dec_alone: bool
    nested = True

    def loss(self, seen: Pass) -> Tensor:
        losses = [distance(seen.x, x_hat, self.scale) for x_hat in prefix_reconstructions(seen)]
        if self.with_b_dec_alone:
            losses.insert(0, distance(seen.x, seen.weights["b_dec"].expand_as(seen.x), self.scale))
        return torch.stack(losses).mean()


@block("objective", "fixed_prefixes")
@dataclass(frozen=True)
class FixedPrefixes(Nested):
    """Prefixes that end at fixed fractions of the width (Bussmann et al. 2025, "Matryoshka sparse autoencoders").

    The default fractions are groups of 1/16, 1/16, 1/8, 1/4 and 1/2 of the latents.
    """

    ends: tuple[float, ...] = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
    scale: Scale = "sum"
    with_b_dec_alone: bool = True

    def __post_init__(self) -> None:
        rising = all(low < high for low, high in itertools.pairwise((0.0, *self.ends)))
        if not self.ends or not rising or self.ends[-1] != 1.0:
            raise CompositionError("prefix ends must rise from above 0 to exactly 1", field="objective.ends")

    def prefixes(self, width: int, state: TrainingState) -> tuple[int, ...]:
        return tuple(sorted({max(1, round(end * width)) for end in self.ends}))

    def widened(self, width: int, added: int) -> FixedPrefixes:
        """The inner prefixes stay where they are, and new latents belong to the outermost alone."""
        inner = {max(1, round(end * width)) for end in self.ends} - {width}
        return replace(self, ends=(*(end / (width + added) for end in sorted(inner)), 1.0)) if added else self


@block("objective", "sampled_prefixes")
@dataclass(frozen=True)
class SampledPrefixes(Nested):
    """`count - 1` distinct prefixes drawn anew each step, and the full width (Nabeshima 2024).

    Lengths follow a Pareto law of exponent `power`, truncated to 1 .. F-1: P(length >= m) falls as m^-power.
    """

    count: int = 10
    power: float = 0.5
    scale: Scale = "sum"
    with_b_dec_alone: bool = False

    def __post_init__(self) -> None:
        if self.count < 1 or not self.power > 0:
            raise CompositionError("needs count >= 1 and power > 0", field="objective")

    def prefixes(self, width: int, state: TrainingState) -> tuple[int, ...]:
        lengths = torch.arange(1, width + 1, dtype=torch.float64)
        tail = lengths.pow(-self.power)
        wanted = min(self.count, width) - 1
        if wanted == 0:
            return (width,)
        drawn = torch.multinomial(tail[:-1] - tail[1:], wanted, replacement=False, generator=state.generator)
        return (*sorted((drawn + 1).tolist()), width)


def distance(x: Tensor, x_hat: Tensor, scale: Scale) -> Tensor:
    """Distance of `[n, d]` from `[n, d]` on a scale (see the module)."""
    squares = (x - x_hat).square()
    if scale == "sum":
        return squares.sum(1).mean()
    if scale == "mse":
        return squares.mean()
    return squares.sum() / (x - x.mean(0)).square().sum()


def prefix_reconstructions(seen: Pass) -> list[Tensor]:
    """Reconstructions `[n, d]` from each prefix; the last is that of all latents."""
    rows, entries = seen.weights["W_dec"], seen.entries.listed()
    values = seen.values if entries.latents is None else seen.values.reshape(-1)
    total = seen.weights["b_dec"]
    reconstructions = []
    for low, high in itertools.pairwise((0, *seen.prefixes[:-1])):
        total = total + group_sum(entries, values, rows, low, high)
        reconstructions.append(total)
    return [*reconstructions, seen.x_hat]


def group_sum(entries: Entries, values: Tensor, rows: Tensor, low: int, high: int) -> Tensor:
    """Contribution `[n, d]` of the latents `low` .. `high - 1` of every pair or of a list."""
    if entries.latents is None:
        return values[:, low:high] @ rows[low:high]
    group, places = entries.within(low, high)
    return group.bag(values[places], rows)
