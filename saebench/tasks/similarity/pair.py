"""The two members of a pair, and what they have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from saebench.dictionaries.contract import Dictionary
from saebench.tasks.similarity.weights import wide


@dataclass(frozen=True)
class Pair:
    """Both dictionaries with what decides which measures there are."""

    sides: tuple[Dictionary, Dictionary]
    sites: tuple[str, str]
    atoms: tuple[Tensor | None, Tensor | None]
    """Decoder rows of each, float64 on the CPU."""

    @classmethod
    def of(cls, sides: tuple[Dictionary, Dictionary], sites: tuple[str, str]) -> Pair:
        """Look at both."""
        first, second = (None if side.atoms is None else wide(side.atoms) for side in sides)
        return cls(sides, sites, (first, second))

    @property
    def signed_codes(self) -> bool:
        """Codes of a side may be negative: an atom and its opposite then say the same."""
        return any(side.traits.signed for side in self.sides)

    @property
    def larger(self) -> int:
        """The side with more latents; the first of two equal ones."""
        return int(self.sides[1].d_dict > self.sides[0].d_dict)

    @property
    def no_atoms(self) -> str | None:
        """Why there are no two lists of atoms, or None."""
        lacking = [name for name, atoms in zip(("first", "second"), self.atoms, strict=True) if atoms is None]
        return f"the {' and the '.join(lacking)} dictionary has no atoms" if lacking else None

    @property
    def no_common_space(self) -> str | None:
        """Why atoms cannot be compared coordinate by coordinate, or None."""
        if self.no_atoms:
            return self.no_atoms
        widths = [side.d_out for side in self.sides]
        return None if widths[0] == widths[1] else f"atoms of widths {widths[0]} and {widths[1]} have no cosine"

    @property
    def no_insertion(self) -> str | None:
        """Why a latent of the larger cannot be added to the smaller one's reconstruction, or None."""
        if self.no_common_space:
            return self.no_common_space
        if self.sites[0] != self.sites[1]:
            return f"the dictionaries stand at two sites, {self.sites[0]} and {self.sites[1]}"
        if any(side.sites_out != side.sites_in or side.d_in != side.d_out for side in self.sides):
            return "a dictionary that writes another site than it reads has no error to insert a latent into"
        if not self.sides[self.larger].traits.linear_decoder:
            return "the larger dictionary's decoder is not affine in the codes, so that a latent has no part of its own"
        return None

    @property
    def can_insert(self) -> bool:
        """The insertion test is defined."""
        return self.no_insertion is None

    def describe(self) -> dict[str, Any]:
        """For details."""
        return {
            "sites": list(self.sites),
            "d_dict": [side.d_dict for side in self.sides],
            "larger": ("first", "second")[self.larger],
            "cosines": "absolute" if self.signed_codes else "signed",
        }
