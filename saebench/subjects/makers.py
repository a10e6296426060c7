"""Controls and baselines: what stands behind `control:NAME` and `baseline:NAME`.

A maker reads the parameters of a specification and gives a subject whose fingerprint is a digest of its recipe and of
the data that it is fitted on, so that identity is known before anything is fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from saebench.baselines.concepts import CONCEPT_CONTROLS, CONCEPTS
from saebench.errors import UsageError
from saebench.fingerprint import digest
from saebench.registry import Registry
from saebench.subjects.scored import ConceptSubject, DictionarySubject
from saebench.subjects.spec import Spec
from saebench.subjects.stage import Stage

if TYPE_CHECKING:
    from saebench.dictionaries.contract import Dictionary
    from saebench.tasks.contract import Role

Maker = Callable[[Spec, Stage], DictionarySubject | ConceptSubject]
CONTROLS: Registry[Maker] = Registry("control", None, remedy="Controls are listed by 'saebench ls baselines'.")
BASELINES: Registry[Maker] = Registry("baseline", "saebench.baselines")

for _name in ("identity", "mean", "random", "permuted", "oracle"):
    CONTROLS.add(_name, f"saebench.subjects.controls:{_name}")
BASELINES.add("random", "saebench.subjects.controls:random")
for _name in ("pca", "ica", "itda", "kmeans", "ksvd", "neurons", "nmf", "rvq", "snmf"):
    BASELINES.add(_name, f"saebench.subjects.baselines:{_name}")
for _name in CONCEPT_CONTROLS:
    CONTROLS.add(_name, "saebench.subjects.concepts:concept")
for _name in CONCEPTS:
    BASELINES.add(_name, "saebench.subjects.concepts:concept")


def made(
    text: str,
    name: str,
    stage: Stage,
    recipe: Mapping[str, Any],
    role: Role | None,
    make: Callable[[], Dictionary],
) -> DictionarySubject:
    """A subject that is made from a recipe: its fingerprint is the digest of it."""
    return DictionarySubject(
        spec=text,
        name=name,
        site=stage.site,
        fingerprint=digest(recipe),
        architecture=str(recipe.get("control") or recipe.get("baseline")),
        make=make,
        device=stage.lm.device,
        dtype=stage.lm.dtype,
        role=role,
    )


def whole(spec: Spec, key: str, stage: Stage, fallback: int | None = None) -> int:
    """An integer parameter of a specification, else the suite's default.

    Raises:
        UsageError: it is no positive integer, or neither given nor a default.
    """
    text = spec.parameters.get(key)
    value = stage.defaults.get(key, fallback) if text is None else text
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise UsageError(f"subject '{spec.text}': {key} must be a whole number, not {value!r}") from None
    if number < 0:
        raise UsageError(f"subject '{spec.text}': {key} must not be negative")
    return number
