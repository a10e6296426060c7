"""Non-negative matrix factorisation: parts that only add up (Lee and Seung 1999), at sites that are never negative."""

from __future__ import annotations

import warnings
from typing import ClassVar

import torch

from saebench.baselines.nonnegative import NonNegativeDictionary, unit_atoms
from saebench.baselines.recipe import Ground, Recipe, at_most
from saebench.baselines.sample import sample
from saebench.errors import SiteError

ITERATIONS = 200
TOLERANCE = 1e-4


class NmfRecipe(Recipe):
    """Parameters of `baseline:nmf`."""

    name: ClassVar[str] = "nmf"
    d_dict: int = 100
    """Atoms."""
    tokens: int = 20_000
    """Tokens that it is fitted on."""
    seed: int = 0

    def check(self, width: int) -> None:
        at_most(self.d_dict, self.tokens, "d_dict")

    def fit(self, ground: Ground) -> NonNegativeDictionary:
        from sklearn.decomposition import NMF
        from sklearn.exceptions import ConvergenceWarning

        x = sample(ground, self.tokens, self.seed, at_least=self.d_dict)
        negative = float((x < 0).float().mean())
        if negative:
            raise SiteError(
                f"{negative:.1%} of the activations are negative, and nmf needs a site that is never negative",
                field=ground.data.site,
                remedy="use baseline:snmf, or the hidden activations of an MLP with ReLU (blocks.{l}.mlp.hook_post)",
            )
        init = "nndsvda" if self.d_dict <= x.shape[1] else "random"
        model = NMF(self.d_dict, init=init, max_iter=ITERATIONS, tol=TOLERANCE, random_state=self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x.cpu().numpy())
        atoms, empty = unit_atoms(torch.from_numpy(model.components_).float())
        facts = {"iterations": int(model.n_iter_), "loss": float(model.reconstruction_err_) ** 2, "empty_atoms": empty}
        return NonNegativeDictionary(atoms, **ground.place(self.name, len(x), self.seed, **facts))
