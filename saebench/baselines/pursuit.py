"""Matching pursuit: the code of an activation by greedy choice of atoms, for many tokens at once.

r = x; at each of `l0` steps the atom j with the largest <r, d_j> (positive) or |<r, d_j>| (signed) is chosen, and

- refit none: a_j += <r, d_j>, r -= <r, d_j> d_j (Mallat and Zhang 1993); an atom may be chosen again;
- refit lstsq: all coefficients are fitted again by least squares (orthogonal matching pursuit, Pati et al. 1993);
- refit nnls: the same with coefficients that are not negative (Bruckstein, Elad and Zibulevsky 2008).

With either refit no atom is chosen twice. A token stops early where no atom is left that makes its residual smaller.

With unit atoms the residual itself is not needed: choosing j with step c takes c (D d_j) off the correlations D r. With
orthogonal matching pursuit, q_1, q_2, ... are the chosen atoms made orthonormal one after the other, and it is D q_t
that is kept: D q_t = (D d_j - sum_s <q_s, d_j> D q_s) / norm, where <q_s, d_j> is entry j of D q_s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from saebench.baselines.nnls import nnls
from saebench.dictionaries.codes import SparseCodes
from saebench.errors import UsageError

Sign = Literal["positive", "signed"]
Refit = Literal["none", "lstsq", "nnls"]

GRAM_UP_TO = 8192
"""Largest dictionary whose inner products of atoms are kept: 256 MB in float32."""
ELEMENTS = 2**22
"""Numbers that exist at once for a block of tokens: what a processor holds near by, measured."""
NOTHING = 1e-6
"""A correlation below this share of |x| is rounding: nothing is left to explain."""
DEPENDENT = 1e-5
"""An atom whose squared distance from the span of those chosen is below this is in it."""


@dataclass(frozen=True)
class Pursuit:
    """How codes are made.

    Args:
        l0: steps, and so the largest number of active latents.
        sign: which correlations count.
        refit: what happens to coefficients after each choice.

    Raises:
        UsageError: no step, an unknown sign or refit, or coefficients that may be negative and may not.
    """

    l0: int
    sign: Sign = "positive"
    refit: Refit = "none"

    def __post_init__(self) -> None:
        if self.l0 < 1:
            raise UsageError(f"matching pursuit takes at least one step, not l0 = {self.l0}")
        for field, value, known in (("sign", self.sign, Sign), ("refit", self.refit, Refit)):
            if value not in get_args(known):
                raise UsageError(f"{field} of matching pursuit is {' or '.join(get_args(known))}, not '{value}'")
        if self.sign == "signed" and self.refit == "nnls":
            raise UsageError("a signed pursuit cannot have a non-negative refit: choose sign=positive or another refit")

    @property
    def signed(self) -> bool:
        """Codes may be negative: least squares makes some so even where only positive correlations are chosen."""
        return self.sign == "signed" or self.refit == "lstsq"


def gram_of(atoms: Tensor) -> Tensor | None:
    """Inner products of atoms `[F, F]`, float32 at least; None for a dictionary that is too large to keep them."""
    if len(atoms) > GRAM_UP_TO:
        return None
    wide = widened(atoms)
    return wide @ wide.T


def widened(tensor: Tensor) -> Tensor:
    """In float32 at least: a pursuit in half precision would choose by rounding."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def pursue(x: Tensor, atoms: Tensor, pursuit: Pursuit, gram: Tensor | None = None) -> SparseCodes:
    """Codes of tokens over unit atoms.

    Args:
        x: `[n, d]`.
        atoms: `[F, d]`, rows of norm 1.
        pursuit: how.
        gram: `gram_of(atoms)`, where it is known; else inner products are computed as they are needed.

    Returns:
        codes in the dtype of `x`, `l0` slots a token (F where there are fewer atoms).
    """
    steps = min(pursuit.l0, len(atoms))
    known = Products(widened(atoms), gram)
    solve = {"none": _plain, "lstsq": _orthogonal, "nnls": _non_negative}[pursuit.refit]
    slots = steps if pursuit.refit == "lstsq" else 2
    block = max(1, ELEMENTS // (len(atoms) * slots))
    values, latents = x.new_zeros(len(x), steps), torch.zeros(len(x), steps, dtype=torch.long, device=x.device)
    for at in range(0, len(x), block):
        values[at : at + block], latents[at : at + block] = solve(
            widened(x[at : at + block]), known, steps, pursuit.sign == "signed"
        )
    return SparseCodes(values, latents, len(atoms))


@dataclass(frozen=True)
class Products:
    """Inner products of atoms with each other: looked up, or computed for the rows that are asked for."""

    atoms: Tensor
    gram: Tensor | None

    def rows(self, chosen: Tensor) -> Tensor:
        """`[n, F]`: products of atom `chosen[i]` with all."""
        return self.gram[chosen] if self.gram is not None else self.atoms[chosen] @ self.atoms.T

    def among(self, chosen: Tensor) -> Tensor:
        """`[n, t, t]`: products of the atoms `chosen` `[n, t]` with each other."""
        if self.gram is not None:
            return self.gram[chosen[:, :, None], chosen[:, None, :]]
        picked = self.atoms[chosen]
        return picked @ picked.transpose(1, 2)

    def weighted(self, values: Tensor, chosen: Tensor) -> Tensor:
        """`[n, F]`: sum over slots of value times row, which is D times the reconstruction."""
        codes = SparseCodes(values, chosen, len(self.atoms))
        return codes.project(self.gram) if self.gram is not None else codes.project(self.atoms) @ self.atoms.T


def _best(correlations: Tensor, signed: bool, floor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The chosen atom of each token, its correlation, and whether it explains anything."""
    size, chosen = (correlations.abs() if signed else correlations).max(1)
    return chosen, correlations.gather(1, chosen[:, None])[:, 0] if signed else size, size > floor


def _plain(x: Tensor, known: Products, steps: int, signed: bool) -> tuple[Tensor, Tensor]:
    correlations = x @ known.atoms.T
    floor = NOTHING * x.norm(dim=1)
    gains, latents = x.new_zeros(len(x), steps), torch.zeros(len(x), steps, dtype=torch.long, device=x.device)
    for step in range(steps):
        chosen, gain, live = _best(correlations, signed, floor)
        if not bool(live.any()):
            break
        gain = gain.masked_fill(~live, 0)
        correlations.addcmul_(gain[:, None], known.rows(chosen), value=-1)
        gains[:, step], latents[:, step] = gain, chosen
    return _merged(gains, latents), latents


def _merged(gains: Tensor, latents: Tensor) -> Tensor:
    """What each atom got in all steps stands in the slot where it was chosen first, `[n, steps]`."""
    if not len(gains):
        return gains
    same = latents[:, :, None] == latents[:, None, :]
    sums = (same.to(gains.dtype) @ gains[:, :, None])[:, :, 0]
    earlier = (same & (gains != 0)[:, None, :]).tril(-1).any(2)
    return sums.masked_fill(earlier | (gains == 0), 0)


def _orthogonal(x: Tensor, known: Products, steps: int, signed: bool) -> tuple[Tensor, Tensor]:
    correlations = x @ known.atoms.T
    floor = NOTHING * x.norm(dim=1)
    n, width = correlations.shape
    images = x.new_zeros(n, steps, width)
    triangle = torch.eye(steps, dtype=x.dtype, device=x.device).expand(n, -1, -1).clone()
    gains, latents = x.new_zeros(n, steps), torch.zeros(n, steps, dtype=torch.long, device=x.device)
    open_ = torch.ones(n, dtype=torch.bool, device=x.device)
    taken = torch.zeros_like(correlations, dtype=torch.bool)
    for step in range(steps):
        chosen, correlation, live = _best(correlations.masked_fill(taken, 0), signed, floor)
        along = images[:, :step].gather(2, chosen[:, None, None].expand(-1, step, 1))[:, :, 0]
        image = known.rows(chosen) - (along[:, None, :] @ images[:, :step])[:, 0]
        distance = image.gather(1, chosen[:, None])[:, 0]
        open_ &= live & (distance > DEPENDENT)
        if not bool(open_.any()):
            break
        norm = torch.where(open_, distance, 1).sqrt()
        gain = torch.where(open_, correlation / norm, 0)
        images[:, step] = torch.where(open_[:, None], image / norm[:, None], 0)
        triangle[:, :step, step] = torch.where(open_[:, None], along, 0)
        triangle[:, step, step] = norm
        correlations.addcmul_(gain[:, None], images[:, step], value=-1)
        gains[:, step], latents[:, step] = gain, chosen
        taken.scatter_(1, chosen[:, None], True)
    return torch.linalg.solve_triangular(triangle, gains[:, :, None], upper=True)[:, :, 0], latents


def _non_negative(x: Tensor, known: Products, steps: int, signed: bool) -> tuple[Tensor, Tensor]:
    first = x @ known.atoms.T
    correlations = first
    floor = NOTHING * x.norm(dim=1)
    values, latents = x.new_zeros(len(x), steps), torch.zeros(len(x), steps, dtype=torch.long, device=x.device)
    open_ = torch.ones(len(x), dtype=torch.bool, device=x.device)
    taken = torch.zeros_like(first, dtype=torch.bool)
    for step in range(steps):
        chosen, _, live = _best(correlations.masked_fill(taken, 0), signed, floor)
        open_ &= live
        rows = open_.nonzero().flatten()
        if not len(rows):
            break
        latents[rows, step] = chosen[rows]
        taken[rows, chosen[rows]] = True
        support = latents[rows, : step + 1]
        values[rows, : step + 1] = nnls(known.among(support), first[rows].gather(1, support))
        correlations = first - known.weighted(values[:, : step + 1], latents[:, : step + 1])
    return values, latents
