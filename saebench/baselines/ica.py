"""Independent components: directions along which activations are least normal (FastICA, Hyvarinen 1999)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from saebench.baselines.largest import largest
from saebench.baselines.recipe import Ground, Recipe, at_most
from saebench.baselines.sample import sample
from saebench.dictionaries.codes import Codes
from saebench.dictionaries.contract import Context, Traits
from saebench.dictionaries.fixed import FixedDictionary

ITERATIONS = 200
TOLERANCE = 1e-4


@dataclass(eq=False)
class IndependentComponents(FixedDictionary):
    """Codes (x - mean) . row, signed, of which the `l0` largest in magnitude are kept.

    Atoms are the columns of the mixing matrix, scaled to norm 1, so that a code is the length of what it adds; its
    sign is the one that makes the third moment of its code positive on the fit data.

    Args:
        mean: `[d]`.
        rows: of the unmixing matrix, scaled to match the atoms, `[F, d]`.
        directions: atoms `[F, d]`.
        l0: how many codes are kept.
    """

    kind: ClassVar[str] = "ica"
    mean: Tensor
    rows: Tensor
    directions: Tensor
    l0: int

    def __post_init__(self) -> None:
        at_most(self.l0, len(self.rows), "l0")
        self.describe(len(self.mean), len(self.rows))
        self.traits = Traits(signed=True)

    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        return largest((x - self.mean) @ self.rows.T, self.l0)

    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        return codes.project(self.directions) + self.mean

    @property
    def atoms(self) -> Tensor:
        return self.directions

    @property
    def encoder_rows(self) -> Tensor:
        return self.rows


class IcaRecipe(Recipe):
    """Parameters of `baseline:ica`."""

    name: ClassVar[str] = "ica"
    d_dict: int
    """Components, at most the width of the site; default the suite's d_dict or the width, whichever is less."""
    l0: int
    """Codes kept on a token."""
    tokens: int = 30_000
    """Tokens that it is fitted on."""
    seed: int = 0

    @classmethod
    def complete(cls, given: Mapping[str, Any], defaults: Mapping[str, Any], width: int) -> dict[str, Any]:
        fewer = {**defaults, "d_dict": min(width, defaults.get("d_dict", width))}
        return super().complete(given, fewer, width)

    def check(self, width: int) -> None:
        at_most(self.d_dict, width, "d_dict of ica")
        at_most(self.l0, self.d_dict, "l0")

    def fit(self, ground: Ground) -> IndependentComponents:
        from sklearn.decomposition import FastICA
        from sklearn.exceptions import ConvergenceWarning

        x = sample(ground, self.tokens, self.seed, at_least=self.d_dict + 1)
        model = FastICA(
            self.d_dict,
            whiten="unit-variance",
            whiten_solver="eigh",
            max_iter=ITERATIONS,
            tol=TOLERANCE,
            random_state=self.seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            codes = torch.from_numpy(model.fit_transform(x.double().cpu().numpy()))
        mixing, unmixing = torch.from_numpy(model.mixing_.T), torch.from_numpy(model.components_)
        sign = torch.where(codes.pow(3).sum(0) < 0, -1.0, 1.0).double()
        norm = mixing.norm(dim=1) * sign
        converged = model.n_iter_ < ITERATIONS
        return IndependentComponents(
            torch.from_numpy(model.mean_).float(),
            (unmixing * norm[:, None]).float(),
            (mixing / norm[:, None]).float(),
            self.l0,
            **ground.place(self.name, len(x), self.seed, iterations=int(model.n_iter_), converged=converged),
        )
