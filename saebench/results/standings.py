"""Where subjects stand on one number: difference to a base, Holm over all pairs, rank intervals, tie letters.

Ranks are given among all subjects and within the subject's band of L0 (`saebench.results.sparsity`). A subject is on
the Pareto curve unless another one with no larger L0 is significantly better; controls are not asked. The order in
which subjects are given never matters. A subject without a value stays as a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from saebench.errors import UnknownName
from saebench.registry import near_misses
from saebench.results.audits import MetricAudit
from saebench.results.pair_tests import Pair, PairTests
from saebench.results.scopes import Scope
from saebench.results.sparsity import Band, band_of
from saebench.stats import Difference, Estimate, compact_letters, holm, rank_intervals

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]
Rank = tuple[int, int]

SIGNIFICANT = 0.05
"""Holm-adjusted p below which two subjects count as different."""


@dataclass(frozen=True)
class Entry:
    """One subject before it is compared."""

    name: str
    """Unique among the entries."""
    estimate: Estimate
    l0: float | None = None
    """None where no result says it."""
    control: bool = False
    """It has a role: its place is known beforehand."""
    self_reported: bool = False
    """A submission sent it and no run here agrees yet."""


@dataclass(frozen=True)
class Row:
    """One subject in the table of a metric."""

    subject: str
    estimate: Estimate
    difference: Difference | None
    """This subject minus the base; None without a base and in the base's own row."""
    p_adjusted: float | None
    """p of that difference, Holm-adjusted over all pairs of the table."""
    rank: Rank | None
    """Best and worst rank; None for a metric that is not ranked and for a subject that could not be tested."""
    letters: tuple[str, ...]
    """Subjects that share a letter do not differ significantly; empty for one that could not be tested."""
    l0: float | None = None
    band: Band = None
    """Of L0."""
    band_rank: Rank | None = None
    """Best and worst rank among the subjects of the band."""
    control: bool = False
    frontier: bool | None = None
    """On the Pareto curve of L0 and this metric; None for a control, and where L0, ranks or tests are missing."""
    self_reported: bool = False


@dataclass(frozen=True)
class Pool:
    """The subjects of one architecture behind one row."""

    name: str
    by_band: Mapping[Band, tuple[str, ...]]
    """Names of its subjects by band of L0."""


@dataclass(frozen=True)
class Comparison:
    """All subjects on one metric of one task: best first, those without a value last."""

    scope: Scope
    metric: str
    direction: Literal["up", "down", "none"]
    base: str | None
    paired: bool
    shared: int | None
    """Items that all subjects with a value share; None for unpaired tests."""
    tests: int
    """Pairs in the Holm family."""
    detectable: float | None
    """Median over tested pairs of the smallest difference that a single test at 5 % finds with 80 % power."""
    rows: tuple[Row, ...]
    unfit: str = ""
    """Why the task must not rank anything; nothing is ranked then."""
    reliability: MetricAudit | None = None
    """What an audit of the task found about this metric."""
    pools: tuple[Pool, ...] = ()
    """Where rows are architectures: their subjects."""

    def band_size(self, band: float | None) -> int:
        """Ranked subjects of a band."""
        return sum(row.band == band and row.band_rank is not None for row in self.rows)


def stand(
    entries: Sequence[Entry],
    tests: PairTests,
    tested: Sequence[str],
    *,
    scope: Scope,
    metric: str,
    direction: Literal["up", "down", "none"],
    ranked: bool,
    paired: bool,
    base: str | None,
) -> Comparison:
    """The table of one number.

    Args:
        entries: subjects, in any order.
        tests: of those that have a value and items.
        tested: their names, in the order in which `tests` numbers them.
        scope: what they were scored on.
        metric: the number's name.
        direction: which way is better.
        ranked: whether it ranks anything.
        paired: whether `tests` are paired.
        base: subject that the others are compared with.

    Raises:
        UnknownName: no entry is called `base`.
    """
    names = sorted(entry.name for entry in entries)
    if base is not None and base not in names:
        raise UnknownName("subject", base, near_misses(base, dict.fromkeys(names)), names)
    sign = {"up": 1, "down": -1, "none": 0}[direction]
    adjusted = holm(tests.p_values())
    ordered = sorted(entries, key=lambda e: (e.estimate.value is None, -sign * (e.estimate.value or 0.0), e.name))
    places = {name: place for place, name in enumerate(tested)}
    in_tests = {place for pair in adjusted for place in pair}
    best_first = [entry for entry in ordered if places.get(entry.name) in in_tests]
    better = _better(tests, adjusted, [places[entry.name] for entry in best_first], sign)
    letters = dict(zip([entry.name for entry in best_first], compact_letters(better | better.T), strict=True))
    ranks = _ranks(best_first, better) if ranked and sign else {}
    band_ranks = _band_ranks(best_first, better) if ranked and sign else {}
    frontier = _frontier(best_first, better) if ranked and sign else {}

    rows = []
    for entry in ordered:
        name = entry.name
        place = places.get(name)
        rows.append(
            Row(
                name,
                entry.estimate,
                None if base in (None, name) else _difference(tests, places, name, str(base)),
                None if place is None or base not in places else adjusted.get(_pair(place, places[base])),
                ranks.get(name),
                letters.get(name, ()),
                entry.l0,
                None if entry.l0 is None else band_of(entry.l0),
                band_ranks.get(name),
                entry.control,
                frontier.get(name),
                entry.self_reported,
            )
        )
    detectable = tests.median_detectable(list(adjusted))
    return Comparison(scope, metric, direction, base, paired, tests.shared, len(adjusted), detectable, tuple(rows))


def unranked(comparison: Comparison, reason: str) -> Comparison:
    """The table without ranks and tie groups, with the reason; values, intervals and differences stay."""
    rows = tuple(replace(row, rank=None, letters=(), band_rank=None, frontier=None) for row in comparison.rows)
    return replace(comparison, rows=rows, unfit=reason)


def _better(tests: PairTests, adjusted: Mapping[Pair, float], best_first: Sequence[int], sign: int) -> BoolArray:
    """`better[i, j]`: the i-th of the tested subjects is significantly better than the j-th."""
    row = {place: index for index, place in enumerate(best_first)}
    better = np.zeros((len(row), len(row)), dtype=bool)
    for (a, b), p in adjusted.items():
        if p < SIGNIFICANT:
            winner, loser = (a, b) if (sign or 1) * tests.value(a, b) > 0 else (b, a)
            better[row[winner], row[loser]] = True
    return better


def _ranks(entries: Sequence[Entry], better: BoolArray) -> dict[str, Rank]:
    return dict(zip([entry.name for entry in entries], rank_intervals(better), strict=True))


def _band_ranks(entries: Sequence[Entry], better: BoolArray) -> dict[str, Rank]:
    members: dict[float, list[int]] = {}
    for index, entry in enumerate(entries):
        if entry.l0 is not None:
            members.setdefault(band_of(entry.l0), []).append(index)
    ranks: dict[str, Rank] = {}
    for own in members.values():
        ranks |= _ranks([entries[index] for index in own], better[np.ix_(own, own)])
    return ranks


def _frontier(entries: Sequence[Entry], better: BoolArray) -> dict[str, bool]:
    asked = [(index, entry.l0) for index, entry in enumerate(entries) if entry.l0 is not None and not entry.control]
    return {
        entries[index].name: not any(better[other, index] and denser <= l0 for other, denser in asked)
        for index, l0 in asked
    }


def _difference(tests: PairTests, places: Mapping[str, int], name: str, base: str) -> Difference:
    for side in (name, base):
        if side not in places:
            return Difference(None, None, None, 0, None, None, f"'{side}' has no value or no items")
    return tests.difference(places[name], places[base])


def _pair(a: int, b: int) -> Pair:
    return min(a, b), max(a, b)
