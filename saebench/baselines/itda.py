"""ITDA: a dictionary of real activations, grown greedily while they stream by (arXiv 2505.17769).

Each activation is coded by matching pursuit over the atoms so far. Where that leaves more than `tau` of its squared
norm, the activation itself, scaled to norm 1, becomes an atom, under a label that says which token of which document it
is. Insertion is one by one, so that a second copy of an atom never enters, whatever the size of a batch.

The paper leaves open what follows; defaults first. The dictionary starts empty, so that the first activation enters
(start=first), or with `l0` activations drawn by the seed (start=random). Activations are not centred (centre=no), or
about their mean (centre=yes). Pursuit takes positive correlations without refit (sign, refit). Either tau is given, and
the stream is read to its end or until `d_dict` atoms are there; or `d_dict` alone: then tau is searched for, by halving
on a logarithmic scale, until the dictionary is full between the middle and the end of the stream; after twelve tries,
the largest one that filled it is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from saebench.baselines.pursued import PursuedDictionary
from saebench.baselines.pursuit import GRAM_UP_TO, Pursuit, Refit, Sign, pursue
from saebench.baselines.recipe import Ground, Recipe, at_most
from saebench.baselines.sample import chosen, labels, stream, taken, unmasked
from saebench.dictionaries.labels import with_atom_labels
from saebench.errors import DataError

Array = np.ndarray[Any, Any]

AT_ONCE = 4096
"""Tokens that are coded together at most."""
TAU_LOW, TAU_HIGH = 1e-3, 1.0
TRIES = 12
"""Values of tau that are tried at most."""
ENOUGH = 0.5
"""Share of the stream that a dictionary has seen when it is full, from which on the search ends."""


class Grower:
    """A dictionary that grows.

    Tokens are coded in runs that are made as long as the last stretch without an insertion allows: all that stand
    before the first one that enters are done, the others are coded again. So each token is seen by exactly the atoms
    that were there at its turn, and in a stream from which nothing enters each token is coded once.

    Args:
        width: of activations.
        pursuit: how they are coded.
        tau: what may be left of |x|^2, as a share.
        full: largest number of atoms; None for no bound.
        device: of the atoms.
    """

    def __init__(
        self,
        width: int,
        pursuit: Pursuit,
        tau: float,
        full: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.pursuit, self.tau, self.full = pursuit, tau, full
        self.places: list[int] = []
        """Where in the stream the atoms stood."""
        self.seen = 0
        """Tokens of the stream that have had their turn."""
        self.coded = 0
        """Codings, the repeated ones too: what the time is proportional to at a fixed number of atoms."""
        self._rows = torch.zeros(0, width, device=device)
        self._gram = torch.zeros(0, 0, device=device)
        self._run = 1

    @property
    def count(self) -> int:
        """Atoms so far."""
        return len(self.places)

    @property
    def is_full(self) -> bool:
        """Nothing can enter any more."""
        return self.full is not None and self.count >= self.full

    @property
    def atoms(self) -> Tensor:
        """`[count, width]`, rows of norm 1."""
        return self._rows[: self.count]

    def insert(self, unit: Tensor, place: int) -> None:
        """Make `unit` `[width]` of norm 1 an atom."""
        at = self.count
        if at == len(self._rows):
            self._enlarge(max(64, 2 * at))
        self._rows[at] = unit
        self.places.append(place)
        if len(self._gram):
            products = self.atoms @ unit
            self._gram[at, : at + 1] = products
            self._gram[: at + 1, at] = products

    def begin(self, x: Tensor, places: Array) -> None:
        """Activations `[n, width]` that enter unasked, those of norm 0 left out."""
        norms = x.norm(dim=1)
        for row in (norms > 0).nonzero().flatten().tolist():
            self.insert(x[row] / norms[row], int(places[row]))

    def feed(self, x: Tensor, places: Array) -> None:
        """The next tokens of the stream: activations `[n, width]`, and their places in it, which label atoms."""
        norms = x.norm(dim=1, keepdim=True)
        unit = x / norms.clamp(min=torch.finfo(x.dtype).tiny)
        at = 0
        while at < len(x) and not self.is_full:
            run = unit[at : at + self._run]
            over = (self.left(run) > self.tau) & (norms[at : at + len(run), 0] > 0)
            entering = int(over.int().argmax()) if bool(over.any()) else None
            done = len(run) if entering is None else entering + 1
            if entering is not None:
                self.insert(run[entering], int(places[at + entering]))
            self._run = min(2 * max(done, 1), AT_ONCE)
            at += done
        self.seen += at

    def left(self, unit: Tensor) -> Tensor:
        """What the code of each row `[n, width]` of norm 1 leaves of its squared norm, `[n]`."""
        self.coded += len(unit)
        if not self.count:
            return torch.ones(len(unit), device=unit.device)
        gram = self._gram[: self.count, : self.count] if len(self._gram) else None
        codes = pursue(unit, self.atoms, self.pursuit, gram)
        return (unit - codes.project(self.atoms)).square().sum(1)

    def _enlarge(self, capacity: int) -> None:
        rows = self._rows.new_zeros(capacity, self._rows.shape[1])
        rows[: self.count] = self.atoms
        small = capacity <= GRAM_UP_TO
        gram = rows.new_zeros(capacity, capacity) if small else rows.new_zeros(0, 0)
        if small:
            gram[: self.count, : self.count] = self._gram[: self.count, : self.count]
        self._rows, self._gram = rows, gram


class ItdaRecipe(Recipe):
    """Parameters of `baseline:itda`."""

    name: ClassVar[str] = "itda"
    l0: int
    """Steps of the pursuit, in the fit and ever after."""
    d_dict: int | None = Field(default=None, ge=1)
    """Atoms; the suite's where tau is not given either. Beside tau it is a bound."""
    tau: float | None = Field(default=None, gt=0, lt=1)
    """An activation enters when its code leaves more than this share of its squared norm."""
    sign: Sign = "positive"
    """Which correlations count: positive or signed."""
    refit: Refit = "none"
    """What happens to coefficients after each choice: none, lstsq or nnls."""
    start: Literal["first", "random"] = "first"
    """An empty dictionary, or l0 activations drawn by the seed."""
    centre: Literal["no", "yes"] = "no"
    """Whether activations are taken about their mean."""
    tokens: int | None = Field(default=100_000, ge=1)
    """Of the stream."""
    seed: int = 0
    """Matters with start=random alone."""

    @classmethod
    def complete(cls, given: Mapping[str, Any], defaults: Mapping[str, Any], width: int) -> dict[str, Any]:
        wanted = super().complete(given, defaults, width)
        return wanted if {"tau", "d_dict"} & set(given) else {**wanted, "d_dict": defaults.get("d_dict")}

    def check(self, width: int) -> None:
        Pursuit(self.l0, self.sign, self.refit)
        if self.d_dict is not None:
            at_most(self.d_dict, self.tokens or self.d_dict, "d_dict")

    def fit(self, ground: Ground) -> PursuedDictionary:
        mean = ground.data.mean().to(ground.device, torch.float32)
        origin = mean if self.centre == "yes" else torch.zeros_like(mean)
        if self.tau is not None:
            grown, passes = self._pass(ground, origin, self.tau), 1
        else:
            grown, passes = self._searched(ground, origin)
        if not grown.count:
            raise DataError("no activation entered the dictionary: all are zero", field=ground.data.site)
        place = ground.place(
            self.name,
            grown.seen,
            self.seed if self.start == "random" else None,
            tau=grown.tau,
            passes=passes,
            filled=grown.is_full,
        )
        place["provenance"] = with_atom_labels(place["provenance"], labels(ground.data, np.array(grown.places)))
        return PursuedDictionary(origin, grown.atoms.clone(), self.l0, self.sign, self.refit, **place)

    def _searched(self, ground: Ground, origin: Tensor) -> tuple[Grower, int]:
        low, high = TAU_LOW, TAU_HIGH
        wanted = ENOUGH * len(unmasked(ground.data)[: self.tokens])
        best = None
        for tries in range(1, TRIES + 1):
            grown = self._pass(ground, origin, sqrt(low * high))
            if grown.is_full:
                low, best = grown.tau, grown
            else:
                high = grown.tau
            if best is not None and best.seen >= wanted:
                return best, tries
        return (best, TRIES) if best is not None else (self._pass(ground, origin, low), TRIES + 1)

    def _pass(self, ground: Ground, origin: Tensor, tau: float) -> Grower:
        """One reading of the stream, to its end or until the dictionary is full."""
        grower = Grower(len(origin), Pursuit(self.l0, self.sign, self.refit), tau, self.d_dict, ground.device)
        if self.start == "random":
            places = chosen(ground.data, self.l0, self.seed)
            grower.begin(taken(ground, places) - origin, places)
        for x, places in stream(ground, self.tokens, AT_ONCE):
            grower.feed(x - origin, places)
            if grower.is_full:
                break
        return grower
