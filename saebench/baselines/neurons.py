"""The neuron basis: what a site already is, read coordinate by coordinate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from saebench.baselines.largest import largest
from saebench.baselines.recipe import Ground, Recipe, at_most
from saebench.dictionaries.codes import Codes
from saebench.dictionaries.contract import Context, Traits
from saebench.dictionaries.fixed import FixedDictionary


@dataclass(eq=False)
class Neurons(FixedDictionary):
    """Coordinates about their mean, signed; the `l0` largest in magnitude are kept.

    Args:
        mean: `[d]`.
        l0: how many are kept.
    """

    kind: ClassVar[str] = "neurons"
    mean: Tensor
    l0: int

    def __post_init__(self) -> None:
        at_most(self.l0, len(self.mean), "l0 of the neuron basis")
        self.describe(len(self.mean), len(self.mean))
        self.traits = Traits(signed=True)

    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        return largest(x - self.mean, self.l0)

    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        return codes.dense() + self.mean

    @property
    def atoms(self) -> Tensor:
        return torch.eye(self.d_dict, dtype=self.mean.dtype, device=self.mean.device)

    @property
    def encoder_rows(self) -> Tensor:
        return self.atoms


class NeuronsRecipe(Recipe):
    """Parameters of `baseline:neurons`."""

    name: ClassVar[str] = "neurons"
    l0: int
    """Coordinates kept on a token."""

    def check(self, width: int) -> None:
        at_most(self.l0, width, "l0")

    def fit(self, ground: Ground) -> Neurons:
        mean = ground.data.mean().to(ground.device, torch.float32)
        return Neurons(mean, self.l0, **ground.place(self.name, ground.data.n_tokens))
