"""Concept methods as subjects: settings with an identity; a task fits them on the training texts of its concepts."""

from __future__ import annotations

from pydantic import ValidationError

from saebench.baselines.concepts import CONCEPTS
from saebench.baselines.concepts.method import NamedMethod
from saebench.errors import UsageError
from saebench.fingerprint import digest
from saebench.subjects.scored import ConceptSubject
from saebench.subjects.spec import Spec, expect_parameters
from saebench.subjects.stage import Stage


def concept(spec: Spec, stage: Stage) -> ConceptSubject:
    """The concept method that a specification names; its identity holds no data, since every task brings its own.

    Raises:
        UnknownName: no such method.
        UsageError: an unknown parameter, or a value that it cannot have.
    """
    method = method_of(spec)
    settings = "&".join(f"{key}={value}" for key, value in method.model_dump(mode="json").items())
    prefix = "control" if method.role else "baseline"
    return ConceptSubject(
        spec=f"{prefix}:{method.name}" + (f"?{settings}" if settings else ""),
        name=method.label(),
        site=stage.site,
        fingerprint=digest(method.recipe()),
        architecture=method.name,
        method=method,
        role=method.role,
    )


def method_of(spec: Spec) -> NamedMethod:
    """The method with the parameters of a specification.

    Raises:
        UnknownName: no such method.
        UsageError: an unknown parameter, or a value that it cannot have.
    """
    kind = CONCEPTS.get(spec.body)
    expect_parameters(spec, tuple(kind.model_fields))
    try:
        return kind.model_validate(dict(spec.parameters))
    except ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(str(part) for part in fault["loc"])
        raise UsageError(f"subject '{spec.text}': {name}: {fault['msg']}") from error
