"""Three parts of labelled texts: what trains, what chooses, what is reported. Equal cells in each.

A cell is a class, or a pair of labels. The side of a text follows from a hash of seed and group, so that a group is
never torn apart, a text keeps its side when others come or go, and nothing depends on the order of a file.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from saebench.errors import DataError

TEST_SHARE = 0.4
VALIDATION_SHARE = 0.2
PARTS = ("train", "validation", "test")

Cell = TypeVar("Cell", bound=Hashable)


class Placed(Protocol):
    """What decides the side of a text."""

    @property
    def hash(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def split(self) -> str | None: ...


@dataclass(frozen=True)
class Parts(Generic[Cell]):
    """Indices into the examples by part and cell, each in a seeded order.

    `held` has all that a part holds, and `equal` as many of each cell as the smallest one has there, or as was asked.
    """

    held: Mapping[str, Mapping[Cell, NDArray[np.int64]]]
    equal: Mapping[str, Mapping[Cell, NDArray[np.int64]]]

    def size(self, part: str) -> int:
        """Texts of each cell in a part."""
        return len(next(iter(self.equal[part].values())))


def in_parts(
    examples: Sequence[Placed], cells: Sequence[Cell], *, seed: int, most: Mapping[str, int], name: str
) -> Parts[Cell]:
    """Give every text a side, then cut each part to equal cells.

    Data that name their own test texts keep them; validation texts then come from the rest.

    Args:
        examples: the texts.
        cells: the cell of each.
        seed: the evaluation seed.
        most: at most so many texts of each cell, by part.
        name: of the data, for errors.

    Raises:
        DataError: a cell has no text in a part.
    """
    own_split = any(one.split for one in examples)
    sides: dict[str, dict[Cell, list[int]]] = {part: defaultdict(list) for part in PARTS}
    order = sorted(range(len(examples)), key=lambda row: _key(seed, "text", examples[row].hash))
    for row in order:
        one = examples[row]
        place = int.from_bytes(_key(seed, "group", one.group)[:8]) / 2**64
        if own_split:
            share = VALIDATION_SHARE / (1 - TEST_SHARE)
            part = "test" if one.split == "test" else "validation" if place < share else "train"
        else:
            limits = (TEST_SHARE, TEST_SHARE + VALIDATION_SHARE)
            part = "test" if place < limits[0] else "validation" if place < limits[1] else "train"
        sides[part][cells[row]].append(row)
    wanted = list(dict.fromkeys(cells))
    for part, rows in sides.items():
        for cell in wanted:
            if not rows[cell]:
                raise DataError(f"'{cell}' has no text in the {part} part", file=name, remedy="give more texts")
    held = {part: {cell: np.array(rows[cell], np.int64) for cell in wanted} for part, rows in sides.items()}
    equal = {}
    for part, rows_of in held.items():
        size = min(most[part], *(len(rows) for rows in rows_of.values()))
        equal[part] = {cell: rows[:size] for cell, rows in rows_of.items()}
    return Parts(held, equal)


def _key(seed: int, what: str, value: str) -> bytes:
    return hashlib.sha256(f"{seed}:{what}:{value}".encode()).digest()
