"""Makers of fitted baselines: a recipe's parameters, its identity, and the fitted dictionary kept on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import ValidationError

from saebench.baselines.recipe import Ground, Recipe
from saebench.dictionaries.checkpoints import restore
from saebench.dictionaries.contract import Provenance
from saebench.errors import UsageError
from saebench.subjects.makers import Maker, made
from saebench.subjects.scored import DictionarySubject
from saebench.subjects.spec import Spec, expect_parameters
from saebench.subjects.stage import Stage

if TYPE_CHECKING:
    from saebench.activations.artefacts import Arrays
    from saebench.dictionaries.contract import Dictionary

TENSOR = "tensor."


def maker_of(kind: type[Recipe]) -> Maker:
    """What stands behind `baseline:NAME` for a recipe: it is fitted on the fit part of the suite's data, once."""

    def maker(spec: Spec, stage: Stage) -> DictionarySubject:
        recipe = recipe_of(kind, spec, stage)
        settings = recipe.model_dump(exclude_none=True)
        identity = {"baseline": kind.name, "version": kind.version, "settings": settings, "of": stage.origin("fit")}
        text = f"baseline:{kind.name}?" + "&".join(f"{key}={value}" for key, value in settings.items() if value != "")

        def make() -> Dictionary:
            return kept(stage, identity, lambda: recipe.fit(ground(stage)))

        return made(text, recipe.label(), stage, identity, None, make)

    maker.__doc__ = kind.__doc__
    return maker


def recipe_of(kind: type[Recipe], spec: Spec, stage: Stage) -> Recipe:
    """The recipe with the parameters of a specification and, for the others, the suite's or its own defaults.

    Raises:
        UsageError: an unknown parameter, or a value that it cannot have at this site.
    """
    width = stage.lm.site(stage.site).width
    expect_parameters(spec, tuple(kind.model_fields))
    try:
        recipe = kind.model_validate(kind.complete(spec.parameters, stage.defaults, width))
        recipe.check(width)
    except ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(str(part) for part in fault["loc"])
        raise UsageError(f"subject '{spec.text}': {name}: {fault['msg']}") from error
    except UsageError as error:
        raise UsageError(f"subject '{spec.text}': {error}") from error
    return recipe


def ground(stage: Stage) -> Ground:
    """The fit part of the suite's data at the stage's site."""
    data = stage.fitted_on(stage.site)
    return Ground(data, fit_provenance(stage, data.rows), stage.lm.device)


def fit_provenance(stage: Stage, rows: Any) -> Provenance:
    """Model and texts that a baseline is fitted on."""
    return Provenance(
        lm=stage.lm.name,
        lm_weights_hash=stage.lm.weights_hash,
        data=f"{rows.name} {rows.fingerprint}",
        documents=tuple(rows.document_hashes),
    )


def kept(stage: Stage, identity: Mapping[str, Any], make: Callable[[], Dictionary]) -> Dictionary:
    """The dictionary of this identity from the artefacts on disk, made where it is not there."""

    def arrays() -> Arrays:
        made = make().to("cpu")
        facts = {"recipe": made.recipe(), "sites": made.sites_in, "provenance": made.provenance.to_json()}
        tensors = {f"{TENSOR}{name}": tensor.numpy() for name, tensor in made.tensors().items()}
        return {"facts": np.array(json.dumps(facts)), **tensors}

    found = stage.artefacts.get({"fitted": identity}, arrays)
    facts = json.loads(str(found["facts"]))
    tensors = {
        name.removeprefix(TENSOR): torch.from_numpy(array) for name, array in found.items() if name.startswith(TENSOR)
    }
    origin = Provenance.from_json(facts["provenance"])
    return restore(facts["recipe"], tensors, tuple(facts["sites"]), origin, source="a fitted baseline in the cache")
