"""Controls: dictionaries whose place in a ranking is known before anything is measured.

`Identity` loses nothing, `MeanOnly` knows nothing, `RandomDictionary` knows the mean and the sparsity of a trained
dictionary but no direction of the data, `PermutedDecoder` has a trained dictionary's codes and none of their meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from saebench.dictionaries.codes import Codes, DenseCodes, SparseCodes
from saebench.dictionaries.contract import Context, Dictionary, Traits
from saebench.dictionaries.fixed import FixedDictionary
from saebench.errors import UsageError

UNDRAWN = torch.empty(0)
"""Stands for a random tensor that a dictionary draws from its seed when it is made."""


@dataclass(eq=False)
class Identity(FixedDictionary):
    """Every coordinate of the site is a latent: `codes = x`, `decode(codes) = codes`, bit for bit."""

    kind: ClassVar[str] = "identity"
    d: int

    def __post_init__(self) -> None:
        self.describe(self.d, self.d)
        self.traits = Traits(signed=True)

    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        return DenseCodes(x)

    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        return codes.dense()

    @property
    def atoms(self) -> Tensor:
        return torch.eye(self.d)

    @property
    def encoder_rows(self) -> Tensor:
        return torch.eye(self.d)


@dataclass(eq=False)
class MeanOnly(FixedDictionary):
    """Predicts `mean` `[d]` for every token, with no active code (L0 = 0).

    It has one latent that never fires, because a width of zero has no per-latent statistics; there is no
    direction to speak of, so `atoms` is None.
    """

    kind: ClassVar[str] = "mean_only"
    mean: Tensor

    def __post_init__(self) -> None:
        self.describe(len(self.mean), 1)
        self.traits = Traits(linear_decoder=False)

    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        none = torch.zeros(len(x), 0, device=x.device)
        return SparseCodes(none.to(x.dtype), none.long(), self.d_dict)

    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        return self.mean.expand(codes.n, -1)

    @property
    def atoms(self) -> None:
        return None


@dataclass(eq=False)
class RandomDictionary(FixedDictionary):
    """Unit atoms drawn uniformly from the sphere, with the `l0` that best match a token active.

    With u = x - mean and random unit rows a_i: the active set S holds the `l0` largest positive <u, a_i>,
    r = sum_S <u, a_i> a_i, and codes are <u, a_i> <u, r> / <r, r>, so that each token's reconstruction mean + r' is as
    good as one scalar can make it (one step of gradient pursuit with exact line search; Blumensath and Davies 2008).
    Without that scalar an overcomplete random dictionary does worse than the mean alone. L0 is `l0` exactly
    wherever so many atoms make an acute angle with u.

    Args:
        mean: `[d_in]`, the mean of the site.
        directions: the atoms `[d_dict, d_in]`; drawn from `seed` when absent.
    """

    kind: ClassVar[str] = "random"
    d_in: int
    d_dict: int
    l0: int
    seed: int
    mean: Tensor
    directions: Tensor = UNDRAWN

    def __post_init__(self) -> None:
        if not 1 <= self.l0 <= self.d_dict:
            raise UsageError(f"a random dictionary of {self.d_dict} latents cannot have l0 = {self.l0}")
        self.describe(self.d_in, self.d_dict)
        self.traits = Traits()
        if self.directions is UNDRAWN:
            generator = torch.Generator().manual_seed(self.seed)
            rows = torch.randn(self.d_dict, self.d_in, generator=generator, dtype=torch.float64)
            self.directions = (rows / rows.norm(dim=1, keepdim=True)).to(self.mean)

    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        centred = x - self.mean
        values, latents = (centred @ self.atoms.T).topk(self.l0, dim=1)
        raw = SparseCodes(values.relu(), latents, self.d_dict)
        image = raw.project(self.atoms)
        gain = (centred * image).sum(1) / image.square().sum(1).clamp(min=torch.finfo(image.dtype).tiny)
        return SparseCodes(raw.values * gain.unsqueeze(1), latents, self.d_dict)

    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        return codes.project(self.atoms) + self.mean

    @property
    def atoms(self) -> Tensor:
        return self.directions

    @property
    def encoder_rows(self) -> Tensor:
        return self.atoms


@dataclass(eq=False)
class PermutedDecoder(FixedDictionary):
    """The codes of `of`, decoded with its atoms in another order, none in its own place.

    Latent i decodes to atom `permutation[i]`; the permutation is one random cycle, so that it has no fixed point.
    Code statistics (L0, densities, dead latents) are those of `of`; reconstruction is not.
    """

    kind: ClassVar[str] = "permuted_decoder"
    of: Dictionary
    seed: int
    permutation: Tensor = UNDRAWN

    def __post_init__(self) -> None:
        if self.of.d_dict < 2:
            raise UsageError("a decoder with fewer than two atoms cannot be permuted")
        self.describe(self.of.d_in, self.of.d_dict)
        self.sites_out, self.d_out = self.of.sites_out, self.of.d_out
        self.traits = self.of.traits
        if self.permutation is UNDRAWN:
            order = torch.randperm(self.d_dict, generator=torch.Generator().manual_seed(self.seed))
            self.permutation = torch.empty_like(order).scatter_(0, order, order.roll(-1))

    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        return self.of.encode(x, context)

    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        place = self.permutation
        if isinstance(codes, SparseCodes):
            place = place.to(codes.latents.device)
            return self.of.decode(SparseCodes(codes.values, place[codes.latents], codes.width), x)
        values = codes.dense()
        return self.of.decode(DenseCodes(values[:, place.argsort().to(values.device)]), x)

    @property
    def atoms(self) -> Tensor | None:
        atoms = self.of.atoms
        return None if atoms is None else atoms[self.permutation.to(atoms.device)]

    @property
    def encoder_rows(self) -> Tensor | None:
        return self.of.encoder_rows
