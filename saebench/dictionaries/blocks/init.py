"""Initial weights."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from saebench.dictionaries.blocks.block import Block, block
from saebench.dictionaries.blocks.constraint import normalise_rows
from saebench.dictionaries.blocks.state import Weights
from saebench.errors import CompositionError

Centre = Literal["zero", "mean", "geometric_median"]


class Init(Block, abc.ABC):
    """Base of the slot. Vectors that a block does not touch start as their owners say (biases 0)."""

    @abc.abstractmethod
    def fill(self, weights: Weights, generator: torch.Generator, sample: Tensor | None) -> None:
        """Write weights in place; `sample` `[n, d]` are preprocessed activations."""


@block("init", "tied")
@dataclass(frozen=True)
class Tied(Init):
    """Random atoms of norm `norm`, `W_enc = encoder_scale * W_dec`, `b_dec` at a centre of the sample.

    Args:
        norm: norm of each atom.
        encoder_scale: below 1 where latents start many at once, so that the first reconstruction does not overshoot.
        b_dec: "zero", "mean" or "geometric_median" of the sample.
    """

    norm: float = 1.0
    encoder_scale: float = 1.0
    b_dec: Centre = "zero"

    def __post_init__(self) -> None:
        if not (self.norm > 0 and self.encoder_scale > 0):
            raise CompositionError("atoms and encoder rows need a positive norm", field="init")

    @torch.no_grad()
    def fill(self, weights: Weights, generator: torch.Generator, sample: Tensor | None) -> None:
        atoms = weights["W_dec"]
        drawn = torch.randn(atoms.shape, generator=generator, device=generator.device, dtype=torch.float32)
        normalise_rows(drawn)
        atoms.copy_(drawn.mul_(self.norm))
        weights["W_enc"].copy_(atoms * self.encoder_scale)
        if self.b_dec == "zero":
            return
        if sample is None:
            raise CompositionError(
                f"b_dec = '{self.b_dec}' needs a sample of activations", field="init.b_dec", remedy="pass `sample`"
            )
        weights["b_dec"].copy_(sample.mean(0) if self.b_dec == "mean" else geometric_median(sample))


def geometric_median(points: Tensor, rounds: int = 100, tolerance: float = 1e-6) -> Tensor:
    """The point `[d]` with the least sum of distances to `points` `[n, d]`.

    Weiszfeld's iteration from the mean, in float64 on the CPU, until a round moves at most `tolerance` of the median
    distance.
    """
    points = points.cpu().double()
    centre = points.mean(0)
    for _ in range(rounds):
        distances = (points - centre).norm(dim=1).clamp(min=1e-12)
        moved = (points / distances.unsqueeze(1)).sum(0) / distances.reciprocal().sum()
        step = (moved - centre).norm()
        centre = moved
        if step <= tolerance * distances.median():
            break
    return centre.float()
