"""Constraints: what is done to weights around an optimiser step."""

from __future__ import annotations

import abc
from dataclasses import dataclass

import torch
from torch import Tensor

from saebench.dictionaries.blocks.block import Block, block
from saebench.dictionaries.blocks.state import Weights


class Constraint(Block, abc.ABC):
    """Base of the slot."""

    unit_atoms: bool = False
    """Atoms have norm 1 at all times."""
    allows_shrinkage: bool = False
    """Penalties on codes alone are accepted although atoms may grow in exchange."""

    def before_step(self, weights: Weights) -> None:
        """Change gradients, in place, before the optimiser reads them."""

    def after_step(self, weights: Weights) -> None:
        """Change weights, in place, after the optimiser wrote them."""


@block("constraint", "none")
@dataclass(frozen=True)
class Free(Constraint):
    """Nothing is done."""


@block("constraint", "growing_atoms")
@dataclass(frozen=True)
class GrowingAtoms(Constraint):
    """Nothing is done, and a penalty on codes alone may be met by growing atoms.

    For settings that were published so: the synthetic organism of Song et al. 2025 (arXiv 2505.20254), whose L1 weighs
    codes and whose atoms are never renormalised.
    """

    allows_shrinkage = True


@block("constraint", "unit_atoms")
@dataclass(frozen=True)
class UnitAtoms(Constraint):
    """Atoms stay on the unit sphere: the gradient along an atom is removed, and atoms are renormalised.

    Bricken et al. 2023, "Towards monosemanticity", appendix.
    """

    unit_atoms = True

    @torch.no_grad()
    def before_step(self, weights: Weights) -> None:
        atoms: Tensor = weights["W_dec"]
        if atoms.grad is not None:
            along = torch.linalg.vecdot(atoms.grad, atoms).unsqueeze(1)
            atoms.grad.addcmul_(along, atoms, value=-1)

    @torch.no_grad()
    def after_step(self, weights: Weights) -> None:
        normalise_rows(weights["W_dec"])


def normalise_rows(rows: Tensor) -> None:
    """Divide rows by their norms, in place."""
    rows.div_(rows.norm(dim=1, keepdim=True).clamp(min=torch.finfo(rows.dtype).tiny))
