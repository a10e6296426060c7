"""A dictionary whose codes are the non-negative least squares of a token on its atoms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from saebench.baselines.nnls import nnls
from saebench.dictionaries.codes import Codes, compact
from saebench.dictionaries.contract import Context, Traits
from saebench.dictionaries.fixed import FixedDictionary


@dataclass(eq=False)
class NonNegativeDictionary(FixedDictionary):
    """`codes = argmin over g >= 0 of |x - g D|^2`, `decode = g D`: NMF and SNMF.

    Args:
        directions: D `[F, d]`.
    """

    kind: ClassVar[str] = "non_negative"
    directions: Tensor

    def __post_init__(self) -> None:
        self.describe(self.directions.shape[1], self.directions.shape[0])
        self.traits = Traits()

    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        rows = self.directions.to(torch.float64)
        return compact(nnls(rows @ rows.T, x.to(torch.float64) @ rows.T).to(x.dtype))

    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        return codes.project(self.directions)

    @property
    def atoms(self) -> Tensor:
        return self.directions


def unit_atoms(rows: Tensor) -> tuple[Tensor, int]:
    """Rows `[F, d]` scaled to norm 1, and how many were left out because they were all zero."""
    norms = rows.norm(dim=1)
    kept = norms > 0
    return rows[kept] / norms[kept, None], int((~kept).sum())
