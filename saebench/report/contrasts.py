"""Differences worth knowing on a page: to the base, and to the subjects that stand next in the table.

The base is the plain baseline with the best value: what a trained dictionary must beat. Any other pair is a matter of
`saebench compare`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from saebench.results.pair_tests import PairTests
from saebench.results.standings import Comparison
from saebench.stats import Difference

NEXT = 3
"""Subjects above and below that a subject is compared with."""


@dataclass(frozen=True)
class Contrast:
    """Another subject of the group, and this subject minus it."""

    other: str
    """What it is called: its name in the comparison here, its fingerprint on a board."""
    base: bool
    difference: Difference
    apart: bool | None
    """Significantly different in the family of all pairs (Holm, 5 %); None where it could not be tested."""


def contrasts(
    comparison: Comparison, tests: PairTests, tested: Sequence[str], base: str | None
) -> dict[str, tuple[Contrast, ...]]:
    """For each tested subject the base, then its neighbours from best to worst.

    Args:
        comparison: the table of the metric.
        tests: of its subjects.
        tested: their names, in the order in which `tests` numbers them.
        base: one of them, or None.
    """
    places = {name: place for place, name in enumerate(tested)}
    letters = {row.subject: set(row.letters) for row in comparison.rows}
    ordered = [row.subject for row in comparison.rows if row.subject in places]
    known: dict[tuple[str, str], Difference] = {}

    def difference(one: str, other: str) -> Difference:
        if (other, one) in known:
            return mirrored(known[other, one])
        if (one, other) not in known:
            known[one, other] = tests.difference(places[one], places[other])
        return known[one, other]

    found = {}
    for at, name in enumerate(ordered):
        beside = [*ordered[max(0, at - NEXT) : at], *ordered[at + 1 : at + 1 + NEXT]]
        first = [base] if base in places and base != name else []
        found[name] = tuple(
            Contrast(str(other), other == base, difference(name, str(other)), _apart(letters, name, str(other)))
            for other in [*first, *(one for one in beside if one != base)]
        )
    return found


def mirrored(difference: Difference) -> Difference:
    """b minus a from a minus b."""

    def negative(value: float | None) -> float | None:
        return None if value is None else -value

    return replace(
        difference,
        value=negative(difference.value),
        low=negative(difference.high),
        high=negative(difference.low),
    )


def _apart(letters: Mapping[str, set[str]], one: str, other: str) -> bool | None:
    """Subjects share a letter if and only if they do not differ significantly."""
    if not letters[one] or not letters[other]:
        return None
    return not letters[one] & letters[other]
