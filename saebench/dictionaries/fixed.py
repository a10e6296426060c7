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


@dataclass(eq=False, kw_only=True)
class FixedDictionary(Dictionary):
    """Base of dictionaries that are dataclasses; a subclass sets `d_in` and `d_dict` in `__post_init__`.

    Such a dictionary reads and writes one site of one width.
    """

    kind: ClassVar[str]
    sites: tuple[str, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)

    def describe(self, d_in: int, d_dict: int) -> None:
        """Fill the attributes of the contract that follow from the fields."""
        self.d_in = self.d_out = d_in
        self.d_dict = d_dict
        self.sites_in = self.sites_out = self.sites

    def recipe(self) -> dict[str, Any]:
        return {"kind": self.kind, **self.settings()}

    def settings(self) -> dict[str, Any]:
        """Fields that are neither tensors nor provenance."""
        own = {item.name: getattr(self, item.name) for item in fields(self) if item.init}
        return {
            name: value
            for name, value in own.items()
            if name not in ("sites", "provenance") and not isinstance(value, Tensor)
        }

    def tensors(self) -> dict[str, Tensor]:
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Self:
        moved: dict[str, Any] = {name: cast(value, device, dtype) for name, value in self.tensors().items()}
        return replace(self, **moved)

    @classmethod
    def rebuild(
        cls, settings: Mapping[str, Any], tensors: Mapping[str, Tensor], sites: tuple[str, ...], provenance: Provenance
    ) -> Self:
        """The dictionary that `settings()` and `tensors()` came from.

        Raises:
            TypeError: a field is missing or unknown.
        """
        return cls(**settings, **tensors, sites=sites, provenance=provenance)


def cast(tensor: Tensor, device: torch.device | str, dtype: torch.dtype | None) -> Tensor:
    """A tensor on a device; `dtype` is applied to floating tensors alone."""
    return tensor.to(device, dtype if tensor.is_floating_point() else None)
