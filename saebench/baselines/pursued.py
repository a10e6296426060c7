"""A dictionary whose codes are found by matching pursuit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from saebench.baselines.pursuit import Pursuit, Refit, Sign, gram_of, pursue
from saebench.dictionaries.codes import Codes
from saebench.dictionaries.contract import Context, Traits
from saebench.dictionaries.fixed import FixedDictionary


@dataclass(eq=False)
class PursuedDictionary(FixedDictionary):
    """Unit atoms about an origin; `codes` are the pursuit of x - origin: ITDA and K-SVD.

    Args:
        origin: `[d]`, what is taken off before and put back after; zeros for none.
        directions: `[F, d]`, rows of norm 1.
        l0: steps of the pursuit, so the largest number of active latents.
        sign: positive or signed.
        refit: none, lstsq or nnls.
    """

    kind: ClassVar[str] = "pursuit"
    origin: Tensor
    directions: Tensor
    l0: int
    sign: Sign = "positive"
    refit: Refit = "none"

    def __post_init__(self) -> None:
        self.describe(len(self.origin), len(self.directions))
        self._pursuit = Pursuit(self.l0, self.sign, self.refit)
        self._gram: Tensor | None = None
        self.traits = Traits(signed=self._pursuit.signed)

    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        if self._gram is None:
            self._gram = gram_of(self.directions)
        return pursue(x - self.origin, self.directions, self._pursuit, self._gram)

    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        return codes.project(self.directions) + self.origin

    @property
    def atoms(self) -> Tensor:
        return self.directions
