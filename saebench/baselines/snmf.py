"""SNMF as a baseline: sparse features whose non-negative sums are the activations."""

from __future__ import annotations

from math import inf
from typing import ClassVar

from pydantic import Field
from torch import Tensor

from saebench.baselines.nonnegative import NonNegativeDictionary, unit_atoms
from saebench.baselines.recipe import Ground, Recipe, at_most
from saebench.baselines.sample import sample
from saebench.baselines.semi_nmf import Stopping, factorise
from saebench.baselines.semi_nmf_levels import levels
from saebench.baselines.semi_nmf_starts import Start, start
from saebench.errors import DataError, UsageError


class SnmfRecipe(Recipe):
    """Parameters of `baseline:snmf`. Defaults are those of the authors' function; tokens and seed are ours."""

    name: ClassVar[str] = "snmf"
    d_dict: int = 100
    """Features K."""
    p: float = Field(default=0.01, gt=0, le=1)
    """Part of the entries of a feature that stay (winner take all); 1 keeps all."""
    start: Start = "random"
    """random, knn (15 rounds of k-means) or svd."""
    iterations: int = Field(default=500, ge=1)
    tol: float = Field(default=1e-4, ge=0)
    patience: int = Field(default=100, ge=1)
    """It ends when so many iterations have not made the loss smaller by tol."""
    coarser: str = ""
    """A hierarchy: ranks of coarser levels, as 50+25, tuned together with the first; empty for none."""
    level: int = Field(default=0, ge=0)
    """Which level of a hierarchy is the dictionary; 0 has d_dict features."""
    steps: int = Field(default=500, ge=0)
    """Of tuning a hierarchy."""
    tokens: int = 20_000
    """Tokens that it is fitted on."""
    seed: int = 0

    @property
    def ranks(self) -> list[int]:
        """Of all levels, finest first.

        Raises:
            UsageError: `coarser` is no list of falling numbers.
        """
        parts = [part for part in self.coarser.split("+") if part]
        if not all(part.isdecimal() for part in parts):
            raise UsageError(f"coarser names falling ranks, as 50+25, not '{self.coarser}'")
        ranks = [self.d_dict, *map(int, parts)]
        if ranks != sorted(set(ranks), reverse=True) or ranks[-1] < 1:
            raise UsageError(f"ranks of a hierarchy fall, and {ranks} do not")
        return ranks

    def check(self, width: int) -> None:
        at_most(self.d_dict, self.tokens, "d_dict")
        if self.start == "svd":
            at_most(self.d_dict, width, "d_dict of snmf with start=svd")
        if self.level >= len(self.ranks):
            raise UsageError(f"level {self.level} of a hierarchy of {len(self.ranks)}: coarser names the others")

    def fit(self, ground: Ground) -> NonNegativeDictionary:
        x = sample(ground, self.tokens, self.seed, at_least=self.d_dict)
        stopping = Stopping(self.iterations, self.tol, self.patience)
        if len(self.ranks) > 1:
            made = levels(x, self.ranks, p=self.p, kind=self.start, seed=self.seed, stopping=stopping, steps=self.steps)
            return self._dictionary(made.features(self.level), made.loss, x, ground, untuned_loss=made.untuned)
        found = factorise(x.T, start(self.start, x, self.d_dict, self.seed), p=self.p, stopping=stopping)
        if found.loss == inf:
            raise DataError(
                "the first iteration of snmf is not finite", field=ground.data.site, remedy="scale the activations"
            )
        facts = {"iterations": len(found.losses), "finite": found.finite}
        return self._dictionary(found.features, found.loss, x, ground, **facts)

    def _dictionary(
        self, features: Tensor, loss: float, x: Tensor, ground: Ground, **facts: object
    ) -> NonNegativeDictionary:
        atoms, empty = unit_atoms(features.T)
        facts |= {"loss": loss, "unexplained": loss / max(float(x.square().sum()), 1e-30), "empty_atoms": empty}
        return NonNegativeDictionary(atoms.contiguous(), **ground.place(self.name, len(x), self.seed, **facts))
