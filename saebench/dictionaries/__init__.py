"""Dictionaries: the contract, codes, blocks, the catalogue of architectures and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from saebench.registry import Registry

if TYPE_CHECKING:
    from saebench.dictionaries.blocks.composition import Composition

ARCHITECTURES: Registry[Callable[..., Composition]] = Registry(
    "architecture",
    "saebench.architectures",
    "'saebench ls architectures' lists them; one of your own is a function that returns a Composition.",
)
"""Functions that return a composition, by name; keyword settings differ from one to the next."""

for _name in (
    "relu",
    "relu_april",
    "gated",
    "jumprelu",
    "topk",
    "batchtopk",
    "matryoshka_batchtopk",
    "matryoshka_sampled",
    "p_anneal",
):
    ARCHITECTURES.add(_name, f"saebench.dictionaries.catalogue:{_name}")
