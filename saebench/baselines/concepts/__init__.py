"""Concept methods: from labelled texts to one direction with a token score. Listing them imports none.

A method is named as `baseline:NAME?key=value`, or `control:NAME` where it has a role. Naming it fits nothing: a task
fits it on the training texts of each of its concepts. A dictionary becomes a concept method by choosing one latent:
`saebench.baselines.concepts.latents`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saebench.registry import Registry

if TYPE_CHECKING:
    from saebench.baselines.concepts.method import NamedMethod

CONCEPTS: Registry[type[NamedMethod]] = Registry(
    "concept method", "saebench.concepts", remedy="Concept methods are listed by 'saebench ls baselines'."
)
CONCEPTS.add("bow", "saebench.baselines.concepts.bow:Words")
CONCEPTS.add("caa", "saebench.baselines.concepts.caa:LastTokens")
CONCEPTS.add("diffmean", "saebench.baselines.concepts.diffmean:DiffMean")
CONCEPTS.add("lat", "saebench.baselines.concepts.lat:Lat")
CONCEPTS.add("pca_direction", "saebench.baselines.concepts.principal:PrincipalDirection")
CONCEPTS.add("permuted_labels", "saebench.baselines.concepts.permuted_labels:PermutedLabels")
CONCEPTS.add("probe", "saebench.baselines.concepts.probe:Probe")
CONCEPTS.add("random_direction", "saebench.baselines.concepts.random_direction:RandomDirection")
CONCEPTS.add("reft_r1", "saebench.baselines.concepts.reft_r1:ReftR1")
CONCEPTS.add("ssv", "saebench.baselines.concepts.ssv:SteeringVector")

CONCEPT_CONTROLS = ("permuted_labels", "random_direction")
"""Those that have a role."""
