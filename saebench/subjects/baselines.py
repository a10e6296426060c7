"""Makers of baselines: dictionaries fitted in closed form or by alternation on the fit part of a suite's data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from saebench.baselines.ica import IcaRecipe
from saebench.baselines.itda import ItdaRecipe
from saebench.baselines.kmeans import KmeansRecipe, RvqRecipe
from saebench.baselines.ksvd import KsvdRecipe
from saebench.baselines.neurons import NeuronsRecipe
from saebench.baselines.nmf import NmfRecipe
from saebench.baselines.snmf import SnmfRecipe
from saebench.errors import UsageError
from saebench.subjects.fitted import fit_provenance, maker_of
from saebench.subjects.makers import made, whole
from saebench.subjects.scored import DictionarySubject
from saebench.subjects.spec import Spec, expect_parameters
from saebench.subjects.stage import Stage

if TYPE_CHECKING:
    from saebench.dictionaries.contract import Dictionary

ica = maker_of(IcaRecipe)
itda = maker_of(ItdaRecipe)
kmeans = maker_of(KmeansRecipe)
ksvd = maker_of(KsvdRecipe)
neurons = maker_of(NeuronsRecipe)
nmf = maker_of(NmfRecipe)
rvq = maker_of(RvqRecipe)
snmf = maker_of(SnmfRecipe)


def pca(spec: Spec, stage: Stage) -> DictionarySubject:
    """The first `l0` principal components of the training activations."""
    from saebench.baselines.pca import PrincipalComponents

    expect_parameters(spec, ("l0",))
    l0 = whole(spec, "l0", stage)
    width = stage.lm.site(stage.site).width
    if not 0 < l0 <= width:
        raise UsageError(f"subject '{spec.text}': l0 must lie between 1 and the width of the site, {width}")
    recipe = {"baseline": "pca", "l0": l0, "of": stage.origin("fit")}

    def make() -> Dictionary:
        data = stage.fitted_on(stage.site)
        origin = replace(fit_provenance(stage, data.rows), architecture="pca", tokens=data.n_tokens)
        return PrincipalComponents.fit(data.mean(), data.covariance(), l0, sites=(stage.site,), provenance=origin)

    return made(f"baseline:pca?l0={l0}", f"pca-l0-{l0}", stage, recipe, None, make)
