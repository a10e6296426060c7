"""A composition: one block for each slot, checked together, and its JSON form.

The first four slots say what a dictionary computes; the others say how it is trained. A variant of the literature is a
composition, and the catalogue holds them by name.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from saebench.dictionaries.blocks.block import build, plain
from saebench.dictionaries.blocks.constraint import Constraint, Free
from saebench.dictionaries.blocks.controllers import Controller
from saebench.dictionaries.blocks.decoder import Decoder, LinearDecoder
from saebench.dictionaries.blocks.encoder import Encoder, LinearEncoder
from saebench.dictionaries.blocks.init import Init, Tied
from saebench.dictionaries.blocks.objective import Objective, Reconstruction
from saebench.dictionaries.blocks.optimiser import OptimiserSpec
from saebench.dictionaries.blocks.preprocess import Preprocess, Raw
from saebench.dictionaries.blocks.regularisers import L0, L1, AuxK, GatedAux, Regulariser
from saebench.dictionaries.blocks.rules import LatentThreshold
from saebench.dictionaries.blocks.sparsifier import Sparsifier
from saebench.dictionaries.contract import Traits
from saebench.errors import CompositionError


@dataclass(frozen=True)
class Composition:
    """Blocks of one architecture.

    Raises:
        CompositionError: blocks that must not be combined.
    """

    architecture: str
    preprocess: Preprocess = field(default_factory=Raw)
    encoder: Encoder = field(default_factory=LinearEncoder)
    sparsifier: Sparsifier = field(default_factory=Sparsifier)
    decoder: Decoder = field(default_factory=LinearDecoder)
    objective: Objective = field(default_factory=Reconstruction)
    regularisers: tuple[Regulariser, ...] = ()
    init: Init = field(default_factory=Tied)
    constraint: Constraint = field(default_factory=Free)
    controllers: tuple[Controller, ...] = ()
    optimiser: OptimiserSpec = field(default_factory=OptimiserSpec)

    def __post_init__(self) -> None:
        self._check_sparsifier()
        self._check_training()

    def _check_sparsifier(self) -> None:
        score, rule, value = self.sparsifier.score, self.sparsifier.rule, self.sparsifier.value
        if (score.kind == "gate") != self.encoder.has_gate:
            raise CompositionError("a gated encoder and the score 'gate' need each other", field="sparsifier.score")
        if value.signed != (score.kind == "abs"):
            raise CompositionError("signed values and the score 'abs' need each other", field="sparsifier.value")
        if isinstance(rule, LatentThreshold) and score.kind not in ("z", "z_norm"):
            raise CompositionError("a learned threshold reads the score 'z' or 'z_norm'", field="sparsifier.rule")
        if rule.needs_controller and not any(item.sets_threshold for item in self.controllers):
            raise CompositionError(
                f"the rule '{rule.kind}' needs a controller that keeps a threshold, or single tokens have no rule",
                field="controllers",
                remedy="add threshold_average",
            )

    def _check_training(self) -> None:
        rule = self.sparsifier.rule
        names = [item.name for item in self.regularisers]
        if len(set(names)) < len(names):
            raise CompositionError("two regularisers have the same name", field="regularisers")
        if self.objective.nested and not self.decoder.ordered:
            raise CompositionError(
                "an objective over prefixes gives the order of latents a meaning",
                field="decoder.ordered",
                remedy="set the decoder's `ordered`",
            )
        for item in self.regularisers:
            bounded = self.constraint.unit_atoms or self.constraint.allows_shrinkage
            if item.shrinks_codes and not bounded:
                raise CompositionError(
                    "a penalty on codes alone is met by shrinking codes and growing atoms",
                    field=f"regularisers.{item.name}",
                    remedy="weight it with the atom norms, keep atoms at unit norm, or accept it with growing_atoms",
                )
            if isinstance(item, L1) and item.weight == "atom_norm" and self.constraint.unit_atoms:
                warnings.warn("atoms have unit norm: weighting L1 with their norms does nothing", stacklevel=4)
            if isinstance(item, L1) and item.per_prefix and not self.objective.nested:
                raise CompositionError("L1 over prefixes needs an objective over prefixes", field="regularisers.l1")
            reads_gate = isinstance(item, GatedAux) or (isinstance(item, L1) and item.on == "gate")
            if reads_gate and not self.encoder.has_gate:
                raise CompositionError("this term reads a gate", field=f"regularisers.{item.name}")
            if isinstance(item, AuxK) and self.encoder.has_gate:
                raise CompositionError("AuxK revives latents of an encoder without gate", field="regularisers.auxk")
            if isinstance(item, L0):
                if not isinstance(rule, LatentThreshold):
                    raise CompositionError("L0 needs thresholds that are learned", field="regularisers.l0")
                if item.bandwidth != rule.bandwidth:
                    raise CompositionError("L0 and the rule need the same kernel width", field="regularisers.l0")

    def coefficients(self) -> dict[str, float]:
        """Full weight of each regulariser by name."""
        return {item.name: item.coefficient for item in self.regularisers}

    def traits(self) -> Traits:
        """What readers of codes must know, of the dictionary after training."""
        rule = self.sparsifier.rule.inference()
        foldable = rule.per_latent and self.sparsifier.score.kind in ("z", "gate") and not self.sparsifier.value.signed
        return Traits(
            signed=self.sparsifier.value.signed,
            ordered_latents=self.decoder.ordered,
            scale_sensitive=rule.threshold is not None,
            foldable_to=("jumprelu",) if foldable else (),
        )

    def after_training(self) -> Composition:
        """The blocks that encode single tokens and decode them, without anything that concerns training."""
        return Composition(
            self.architecture,
            preprocess=self.preprocess,
            encoder=self.encoder,
            sparsifier=self.sparsifier.inference(),
            decoder=self.decoder,
        )

    def inference_config(self) -> dict[str, Any]:
        """JSON object of the blocks that change `encode` or `decode` after training."""
        return {
            "preprocess": self.preprocess.to_config(),
            "encoder": self.encoder.to_config(),
            "sparsifier": self.sparsifier.inference().to_config(),
            "decoder": self.decoder.to_config(),
        }

    def to_config(self) -> dict[str, Any]:
        """The whole composition as a JSON object."""
        return {
            "architecture": self.architecture,
            "preprocess": self.preprocess.to_config(),
            "encoder": self.encoder.to_config(),
            "sparsifier": self.sparsifier.to_config(),
            "decoder": self.decoder.to_config(),
            "objective": self.objective.to_config(),
            "regularisers": [item.to_config() for item in self.regularisers],
            "init": self.init.to_config(),
            "constraint": self.constraint.to_config(),
            "controllers": [item.to_config() for item in self.controllers],
            "optimiser": {name: plain(value) for name, value in asdict(self.optimiser).items()},
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Composition:
        """The inverse of `to_config`; slots that are absent have their defaults.

        Raises:
            CompositionError: an unknown slot or field, a wrong type, or blocks that must not be combined.
            UnknownName: a block that is not registered.
        """
        given = dict(config)
        parts: dict[str, Any] = {"architecture": str(given.pop("architecture", "custom"))}
        for slot in ("preprocess", "encoder", "decoder", "objective", "init", "constraint"):
            if slot in given:
                parts[slot] = build(slot, given.pop(slot))
        if "sparsifier" in given:
            parts["sparsifier"] = Sparsifier.from_config(given.pop("sparsifier"))
        for slot, many in (("regulariser", "regularisers"), ("controller", "controllers")):
            if many in given:
                parts[many] = tuple(build(slot, item) for item in given.pop(many))
        if "optimiser" in given:
            try:
                parts["optimiser"] = TypeAdapter(OptimiserSpec).validate_python(given.pop("optimiser"))
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in ("optimiser", *first["loc"]))
                raise CompositionError(first["msg"], field=where) from error
        if given:
            raise CompositionError(f"unknown slots {sorted(given)}", remedy="slots are those of `to_config`")
        return cls(**parts)
