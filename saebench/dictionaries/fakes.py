"""A dictionary in a few lines, for tests of tasks and of your own code: no training, no files, every operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from saebench.dictionaries.codes import Codes, compact
from saebench.dictionaries.contract import Context, Traits
from saebench.dictionaries.fixed import FixedDictionary


@dataclass(eq=False)
class RandomLinear(FixedDictionary):
    """`f = ReLU(x A^T - offset)`, `x_hat = f A` with atoms A `[d_dict, d_in]`; a larger offset makes sparser codes."""

    kind: ClassVar[str] = "random_linear"
    rows: Tensor
    offset: float = 0.0

    def __post_init__(self) -> None:
        self.describe(self.rows.shape[1], self.rows.shape[0])
        self.traits = Traits(scale_sensitive=self.offset != 0)

    @classmethod
    def draw(cls, d_in: int, d_dict: int, *, offset: float = 0.0, seed: int = 0) -> RandomLinear:
        """Atoms drawn uniformly from the unit sphere."""
        rows = torch.randn(d_dict, d_in, generator=torch.Generator().manual_seed(seed))
        return cls(rows / rows.norm(dim=1, keepdim=True), offset)

    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        return compact((x @ self.rows.T - self.offset).relu())

    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        return codes.project(self.rows)

    @property
    def atoms(self) -> Tensor:
        return self.rows

    @property
    def encoder_rows(self) -> Tensor:
        return self.rows
