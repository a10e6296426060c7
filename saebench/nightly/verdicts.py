"""From differences to verdicts: regressed, improved, equivalent, inconclusive or not comparable, one a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from saebench.nightly.comparing import Cell, Compared
from saebench.nightly.decision import can_show, moved, smallest_detectable
from saebench.stats import Difference, holm

Kind = Literal["regressed", "improved", "equivalent", "inconclusive", "not comparable"]
KINDS: tuple[Kind, ...] = ("regressed", "improved", "equivalent", "inconclusive", "not comparable")


@dataclass(frozen=True)
class Verdict:
    """What is said of one cell.

    regressed, improved: Holm-adjusted p below 5 % and a change larger than the margin, in the first run and again under
    eval_seeds that it had not used. equivalent: the 95 % interval of the change lies inside the margin, or nothing
    changed at all. inconclusive: neither; a change as large as `detectable` would have been seen. not comparable: see
    `reason`.
    """

    compared: Compared
    kind: Kind
    reason: str = ""
    """Why it is inconclusive or not comparable, in words."""
    p_adjusted: float | None = None
    detectable: float | None = None
    """Smallest true change that the night would have found with 80 % power."""
    confirmation: Difference | None = None
    """The change under fresh seeds, where the first run saw one."""

    @property
    def cell(self) -> Cell:
        """What it is about."""
        return self.compared.cell


def family(cells: Sequence[Compared]) -> dict[Cell, Compared]:
    """The cells of a night that are tested: a difference with a p, and a margin."""
    return {
        one.cell: one
        for one in cells
        if not one.reason and one.difference and one.difference.p is not None and one.margin.value is not None
    }


def moves(cells: Sequence[Compared]) -> dict[Cell, int]:
    """-1 for each cell that fell, 1 for each that rose; the others are absent."""
    tests = family(cells)
    gains = [gain_of(one) for one in tests.values()]
    directions = moved(gains, p_values(tests), [one.margin.value or 0.0 for one in tests.values()])
    return {cell: direction for cell, direction in zip(tests, directions, strict=True) if direction}


def gain_of(one: Compared) -> float:
    """The change, turned round where lower is better."""
    assert one.difference is not None
    value = one.difference.value or 0.0
    return -value if one.direction == "down" else value


def p_values(tests: Mapping[Cell, Compared]) -> list[float]:
    """Two-sided, not adjusted."""
    return [one.difference.p for one in tests.values() if one.difference and one.difference.p is not None]


def judge(cells: Sequence[Compared], confirming: Sequence[Compared] = ()) -> list[Verdict]:
    """The verdict on each cell of a night.

    Args:
        cells: all cells, from the first run.
        confirming: the cells of `moves(cells)` once more, under fresh seeds.
    """
    tests = family(cells)
    adjusted = holm(dict(zip(tests, p_values(tests), strict=True)))
    first, second = moves(cells), moves(confirming)
    again = {one.cell: one for one in confirming}
    return [
        _verdict(one, first.get(one.cell, 0), second.get(one.cell, 0), again.get(one.cell), adjusted) for one in cells
    ]


def _verdict(one: Compared, first: int, second: int, again: Compared | None, adjusted: Mapping[Cell, float]) -> Verdict:
    if one.reason:
        return Verdict(one, "not comparable", one.reason)
    if one.same:
        return Verdict(one, "equivalent")
    confirmation = again.difference if again else None
    detectable, limit = sensitivity(one, len(adjusted))
    p = adjusted.get(one.cell)
    if first and first == second:
        return Verdict(one, "improved" if first > 0 else "regressed", "", p, detectable, confirmation)
    if first:
        why = (again.reason or "fresh seeds do not show it") if again else "it was not scored again under fresh seeds"
        return Verdict(one, "inconclusive", f"a change was seen and not confirmed: {why}", p, detectable, confirmation)
    if within(one):
        return Verdict(one, "equivalent", "", p, detectable)
    return Verdict(one, "inconclusive", limit, p, detectable)


def within(one: Compared) -> bool:
    """The whole interval of the change lies inside the margin."""
    change, margin = one.difference, one.margin.value
    if margin is None or change is None or change.low is None or change.high is None:
        return False
    return -margin <= change.low and change.high <= margin


def sensitivity(one: Compared, tests: int) -> tuple[float | None, str]:
    """(smallest detectable change, why the cell stays open) of a cell in a family of so many tests."""
    change, margin = one.difference, one.margin.value
    if margin is None:
        return None, one.margin.source
    if change is None or change.detectable is None or change.p is None:
        return None, (change.undefined if change else None) or "it cannot be tested"
    if one.paired and not can_show(change.n, tests):
        return None, f"{change.n} clusters are too few to show any change in a family of {tests} tests"
    smallest = smallest_detectable(change.detectable, margin, tests, change.n)
    return smallest, f"only a change of {smallest:.3g} or more would have been seen"
