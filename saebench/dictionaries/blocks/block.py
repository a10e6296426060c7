"""What a block is: a frozen dataclass with a slot, a kind and JSON fields.

A paper's new idea is a block of one slot: a dataclass, `@block(SLOT, KIND)` above it, and the methods of the slot's
base class. Its JSON form is `{"kind": KIND, **fields}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, ClassVar, TypeVar

from pydantic import TypeAdapter, ValidationError

from saebench.errors import CompositionError
from saebench.registry import Registry

SLOTS = (
    "preprocess",
    "encoder",
    "score",
    "rule",
    "value",
    "decoder",
    "objective",
    "regulariser",
    "init",
    "constraint",
    "controller",
)


class Block:
    """Base of all blocks. `slot` and `kind` are set by the decorator `block`."""

    slot: ClassVar[str]
    kind: ClassVar[str]

    def to_config(self) -> dict[str, Any]:
        """The JSON object `{"kind": ..., **fields}`."""
        names = [item.name for item in fields(self)]  # type: ignore[arg-type]
        return {"kind": self.kind} | {name: plain(getattr(self, name)) for name in names}


B = TypeVar("B", bound=Block)

BLOCKS: dict[str, Registry[type[Block]]] = {
    slot: Registry(
        f"{slot} block",
        f"saebench.blocks.{slot}",
        f"Register one with @block('{slot}', NAME), or install the plugin that has it.",
    )
    for slot in SLOTS
}
"""Kinds of each slot. Third parties may use the entry-point groups `saebench.blocks.SLOT`."""


def block(slot: str, kind: str) -> Callable[[type[B]], type[B]]:
    """Class decorator: this dataclass is the `kind` of `slot`."""

    def decorate(cls: type[B]) -> type[B]:
        cls.slot, cls.kind = slot, kind
        BLOCKS[slot].add(kind, cls)
        return cls

    return decorate


def build(slot: str, config: Mapping[str, Any]) -> Block:
    """The block that `Block.to_config` described.

    Raises:
        UnknownName: no block of this kind is registered for the slot.
        CompositionError: a field is missing, unknown, of a wrong type or out of range.
    """
    given = dict(config)
    kind = given.pop("kind", None)
    if not isinstance(kind, str):
        raise CompositionError("a block needs a 'kind'", field=slot, remedy=f"one of {BLOCKS[slot].names()}")
    cls = BLOCKS[slot].get(kind)
    known = {item.name for item in fields(cls)}  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            raise CompositionError(
                f"{kind} has no field '{name}'", field=f"{slot}.{name}", remedy=f"its fields: {sorted(known)}"
            )
    try:
        return TypeAdapter(cls).validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in (slot, kind, *first["loc"]))
        raise CompositionError(first["msg"], field=where) from error


def plain(value: Any) -> Any:
    """Tuples as lists, at any depth."""
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value
