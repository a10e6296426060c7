"""K-SVD: atoms that a sparse code of `l0` atoms a token needs, by alternation (Aharon, Elad and Bruckstein 2006).

The approximate form (Rubinstein, Zibulevsky and Elad 2008). A round codes all tokens by orthogonal matching pursuit;
then each atom in turn, with its codes g on the tokens I that use it and E_I = what the other atoms leave of them:
d <- E_I^T g / |E_I^T g|, g <- E_I d. An atom that no token uses becomes the token that is reconstructed worst.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from saebench.baselines.pursued import PursuedDictionary
from saebench.baselines.pursuit import Pursuit, gram_of, pursue
from saebench.baselines.recipe import Ground, Recipe, at_most
from saebench.baselines.sample import sample
from saebench.dictionaries.codes import SparseCodes


class KsvdRecipe(Recipe):
    """Parameters of `baseline:ksvd`."""

    name: ClassVar[str] = "ksvd"
    d_dict: int
    """Atoms; a few thousand at most, as each has a small problem of its own in each round."""
    l0: int
    """Active latents on a token."""
    rounds: int = 10
    """Rounds of coding and of moving atoms."""
    tokens: int = 20_000
    """Tokens that it is fitted on."""
    seed: int = 0

    def check(self, width: int) -> None:
        at_most(self.d_dict, self.tokens, "d_dict")
        at_most(self.l0, self.d_dict, "l0")
        at_most(self.rounds, 10_000, "rounds")

    def fit(self, ground: Ground) -> PursuedDictionary:
        x = sample(ground, self.tokens, self.seed, at_least=self.d_dict)
        mean = ground.data.mean().to(x)
        x -= mean
        pursuit = Pursuit(self.l0, "signed", "lstsq")
        atoms = drawn(x, self.d_dict, self.seed)
        left = []
        for _ in range(self.rounds):
            codes = pursue(x, atoms, pursuit, gram_of(atoms))
            left.append(move(atoms, codes, x) / max(float(x.square().sum()), 1e-30))
        place = ground.place(self.name, len(x), self.seed, unexplained_after_round=left)
        return PursuedDictionary(mean, atoms, self.l0, "signed", "lstsq", **place)


def drawn(x: Tensor, count: int, seed: int) -> Tensor:
    """The directions of `count` tokens of `x` `[n, d]`, drawn without replacement; zero vectors come last."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed)).to(x.device)
    norms = x[order].norm(dim=1)
    chosen = order[(norms == 0).int().argsort(stable=True)][:count]
    rows = x[chosen]
    rows[(rows == 0).all(1), 0] = 1
    unit: Tensor = rows / rows.norm(dim=1, keepdim=True)
    return unit


def move(atoms: Tensor, codes: SparseCodes, x: Tensor) -> float:
    """Move each atom of `atoms` `[F, d]` in place, with its codes. Returns the squared error that is left."""
    values = codes.values.clone()
    residual = x - codes.project(atoms)
    slots = codes.latents.flatten()
    active = (values != 0).flatten().nonzero().flatten()
    active = active[slots[active].argsort(stable=True)]
    ends = torch.bincount(slots[active], minlength=len(atoms)).cumsum(0).tolist()
    flat, start = values.view(-1), 0
    unused = []
    for atom, end in enumerate(ends):
        own, start = active[start:end], end
        if not len(own):
            unused.append(atom)
            continue
        tokens, gains = own // values.shape[1], flat[own]
        others = residual[tokens] + gains[:, None] * atoms[atom]
        moved = gains @ others
        norm = moved.norm()
        if norm > 0:
            atoms[atom] = moved / norm
            flat[own] = others @ atoms[atom]
            residual[tokens] = others - flat[own][:, None] * atoms[atom]
    error = residual.square().sum(1)
    for atom, token in zip(unused, error.argsort(descending=True, stable=True).tolist(), strict=False):
        if error[token] > 0:
            atoms[atom] = x[token] / x[token].norm()
    return float(error.sum())
