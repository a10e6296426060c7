"""Dictionaries that are a handful of named tensors and settings, with no training state.

Closed-form baselines, controls and the rarer foreign forms are dataclasses over `FixedDictionary`: fields that
hold tensors are the tensors, the other fields are the recipe, and a checkpoint is both of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from saebench.dictionaries.contract import Dictionary, Provenance
from saebench.registry import Registry

KINDS: Registry[type[FixedDictionary]] = Registry(
    "kind of dictionary",
    "saebench.dictionary_kinds",
    "It may have been saved by a plugin that is not installed here.",
)
"""Names that a checkpoint's `kind` field may hold, beside the trained ones."""

for _kind, _where in {
    "identity": "saebench.baselines.controls:Identity",
    "mean_only": "saebench.baselines.controls:MeanOnly",
    "random": "saebench.baselines.controls:RandomDictionary",
    "permuted_decoder": "saebench.baselines.controls:PermutedDecoder",
    "oracle": "saebench.baselines.oracle:Oracle",
    "pca": "saebench.baselines.pca:PrincipalComponents",
    "ica": "saebench.baselines.ica:IndependentComponents",
    "neurons": "saebench.baselines.neurons:Neurons",
    "non_negative": "saebench.baselines.nonnegative:NonNegativeDictionary",
    "pursuit": "saebench.baselines.pursued:PursuedDictionary",
    "quantised": "saebench.baselines.quantised:QuantisedDictionary",
    "random_linear": "saebench.dictionaries.fakes:RandomLinear",
    "normalised": "saebench.dictionaries.foreign.normalised:NormalisedDictionary",
}.items():
    KINDS.add(_kind, _where)


@dataclass(eq=False, kw_only=True)
class FixedDictionary(Dictionary):
    """Base of dictionaries that are dataclasses; a subclass calls `describe` in `__post_init__`.

    Such a dictionary reads and writes one site of one width. A field may hold another dictionary: its recipe is part
    of the recipe, its tensors are `FIELD.NAME`.
    """

    kind: ClassVar[str]
    sites: tuple[str, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)

    def describe(self, d_in: int, d_dict: int) -> None:
        """Fill the attributes of the contract that follow from the fields."""
        self.d_in = self.d_out = d_in
        self.d_dict = d_dict
        inner = self.inner()
        if self.provenance == Provenance():
            origin = {name: value.provenance.to_json() for name, value in inner.items()}
            self.provenance = Provenance(architecture=self.kind, extra=origin)
        for value in inner.values():
            self.sites = self.sites or value.sites_in
        self.sites_in = self.sites_out = self.sites

    def inner(self) -> dict[str, Dictionary]:
        """Fields that hold a dictionary."""
        return {name: value for name, value in self._fields().items() if isinstance(value, Dictionary)}

    def recipe(self) -> dict[str, Any]:
        return {"kind": self.kind, **self.settings()}

    def settings(self) -> dict[str, Any]:
        """Fields that are neither tensors nor provenance."""
        plain = {name: value for name, value in self._fields().items() if not isinstance(value, Tensor | Dictionary)}
        del plain["sites"], plain["provenance"]
        return {**plain, **{name: value.recipe() for name, value in self.inner().items()}}

    def tensors(self) -> dict[str, Tensor]:
        own = {name: value for name, value in self._fields().items() if isinstance(value, Tensor)}
        nested = {
            f"{name}.{key}": item for name, value in self.inner().items() for key, item in value.tensors().items()
        }
        return {**own, **nested}

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Self:
        moved: dict[str, Any] = {name: value.to(device, dtype) for name, value in self.inner().items()}
        for name, value in self._fields().items():
            if isinstance(value, Tensor):
                moved[name] = cast(value, device, dtype)
        return replace(self, **moved)

    @classmethod
    def rebuild(
        cls, settings: Mapping[str, Any], tensors: Mapping[str, Tensor], sites: tuple[str, ...], provenance: Provenance
    ) -> Self:
        """The dictionary that `settings()` and `tensors()` came from.

        Raises:
            TypeError: a field is missing or unknown.
            CheckpointError: a dictionary that it holds cannot be made.
        """
        from saebench.dictionaries.checkpoints import restore

        given = dict(settings)
        for name, value in settings.items():
            if isinstance(value, Mapping) and "kind" in value:
                part = {
                    key.removeprefix(f"{name}."): item for key, item in tensors.items() if key.startswith(f"{name}.")
                }
                origin = Provenance.from_json(provenance.extra.get(name, {}))
                given[name] = restore(value, part, sites, origin, source=name)
        own = {key: item for key, item in tensors.items() if "." not in key}
        return cls(**given, **own, sites=sites, provenance=provenance)

    def _fields(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}


def cast(tensor: Tensor, device: torch.device | str, dtype: torch.dtype | None) -> Tensor:
    """A tensor on a device; `dtype` is applied to floating tensors alone."""
    return (tensor if dtype is None or not tensor.is_floating_point() else tensor.to(dtype)).to(device)
