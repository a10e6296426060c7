"""Principal components: the best linear code of a given rank (Eckart and Young 1936)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from saebench.dictionaries.codes import Codes, DenseCodes
from saebench.dictionaries.contract import Context, Provenance, Traits
from saebench.dictionaries.fixed import FixedDictionary
from saebench.errors import UsageError


@dataclass(eq=False)
class PrincipalComponents(FixedDictionary):
    """The first `l0` principal components, all active on every token, with signed codes (x - mean) . component.

    Atoms are the components themselves, unit rows in the order of falling variance, so the code variances of the
    fit data are the eigenvalues of its covariance and its FVU is the dropped eigenvalues' share of their sum.
    Components past `l0` are dropped: L0 and the number of latents are both `l0`.

    Args:
        mean: `[d]`.
        components: `[r, d]`, r >= l0, orthonormal rows, largest variance first.
        l0: how many are kept.
    """

    kind: ClassVar[str] = "pca"
    mean: Tensor
    components: Tensor
    l0: int

    def __post_init__(self) -> None:
        if not 1 <= self.l0 <= len(self.components):
            raise UsageError(f"{len(self.components)} principal components cannot be truncated to l0 = {self.l0}")
        self.components = self.components[: self.l0].contiguous()
        self.describe(len(self.mean), self.l0)
        self.traits = Traits(signed=True, ordered_latents=True)

    @classmethod
    def fit(
        cls,
        mean: Tensor,
        covariance: Tensor,
        l0: int,
        *,
        dtype: torch.dtype = torch.float32,
        sites: tuple[str, ...] = (),
        provenance: Provenance | None = None,
    ) -> Self:
        """From a mean `[d]` and covariance `[d, d]`, by an eigendecomposition in float64.

        The sign of a component is free: its largest coordinate is made positive, so that equal data give equal atoms.
        """
        _, vectors = torch.linalg.eigh(covariance.cpu().to(torch.float64))
        rows = vectors.T.flip(0)
        largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
        rows = rows * largest.sign()
        origin = provenance or Provenance(architecture="pca")
        return cls(mean.to(dtype), rows.to(dtype), l0, sites=sites, provenance=origin)

    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        return DenseCodes((x - self.mean) @ self.components.T)

    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        return codes.project(self.components) + self.mean

    @property
    def atoms(self) -> Tensor:
        return self.components

    @property
    def encoder_rows(self) -> Tensor:
        return self.components
