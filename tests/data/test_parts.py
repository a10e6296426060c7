"""Three parts of labelled texts: no text and no group on two sides, equal cells, nothing that hangs on order."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from saebench.data.parts import PARTS, TEST_SHARE, VALIDATION_SHARE, in_parts
from saebench.errors import DataError

MOST = {"train": 1000, "validation": 1000, "test": 1000}


@dataclass(frozen=True)
class Text:
    hash: str
    group: str
    split: str | None = None


def texts(n: int = 400, groups: int = 0, split: bool = False) -> list[Text]:
    sides = ("train", "train", "test")
    return [Text(f"t{i}", f"g{i % groups}" if groups else f"t{i}", sides[i % 3] if split else None) for i in range(n)]


def names(parts, made, which="equal"):
    held = getattr(parts, which)
    return {part: {cell: [made[row].hash for row in rows] for cell, rows in held[part].items()} for part in PARTS}


def test_parts_are_disjoint_equal_and_of_the_stated_shares():
    made = texts(2000)
    cells = [i % 4 == 0 for i in range(2000)]
    parts = in_parts(made, cells, seed=0, most=MOST, name="x")
    used = [row for part in PARTS for rows in parts.held[part].values() for row in rows]
    assert sorted(used) == list(range(2000))
    for part, share in (("test", TEST_SHARE), ("validation", VALIDATION_SHARE)):
        assert sum(map(len, parts.held[part].values())) / 2000 == pytest.approx(share, abs=0.04)
        sizes = {len(rows) for rows in parts.equal[part].values()}
        assert sizes == {parts.size(part)} == {len(parts.held[part][True])}


def test_groups_are_not_torn_apart():
    made = texts(400, groups=60)
    parts = in_parts(made, [i % 2 for i in range(400)], seed=0, most=MOST, name="x")
    groups = [{made[row].group for rows in parts.held[part].values() for row in rows} for part in PARTS]
    assert sum(map(len, groups)) == len(set.union(*groups))


def test_order_changes_nothing_and_the_seed_does():
    made = texts()
    cells = [i % 2 for i in range(400)]
    one = names(in_parts(made, cells, seed=0, most=MOST, name="x"), made)
    back = names(in_parts(made[::-1], cells[::-1], seed=0, most=MOST, name="x"), made[::-1])
    assert one == back
    assert one != names(in_parts(made, cells, seed=1, most=MOST, name="x"), made)


def test_smaller_parts_are_the_beginning_of_larger_ones():
    made = texts()
    cells = [i % 2 for i in range(400)]
    large = names(in_parts(made, cells, seed=0, most=MOST, name="x"), made)
    small = names(in_parts(made, cells, seed=0, most={**MOST, "test": 7}, name="x"), made)
    assert small["test"] == {cell: rows[:7] for cell, rows in large["test"].items()}
    assert small["train"] == large["train"]


def test_data_that_name_their_test_texts_keep_them():
    made = texts(600, split=True)
    parts = in_parts(made, [i % 2 for i in range(600)], seed=0, most=MOST, name="x")
    for part in PARTS:
        for rows in parts.held[part].values():
            assert {made[row].split for row in rows} == ({"test"} if part == "test" else {"train"})
            assert len(rows) > 20


def test_a_cell_without_a_text_in_a_part_is_named():
    with pytest.raises(DataError, match="'b' has no text in the"):
        in_parts(texts(50), ["b" if i == 0 else "a" for i in range(50)], seed=0, most=MOST, name="x")
