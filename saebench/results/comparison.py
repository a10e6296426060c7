"""Subjects side by side on one metric: difference to a base, Holm over all pairs, rank intervals, tie letters.

The order in which subjects are given never matters. A subject without a value stays as a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from saebench.errors import UnknownName
from saebench.registry import near_misses
from saebench.results.audits import MetricAudit, audit_of
from saebench.results.items import ItemTable
from saebench.results.metrics import CardLike, MetricLike, metric_estimates
from saebench.results.pair_tests import OwnItems, OwnPairs, Pair, PairTests, SharedItems
from saebench.results.schema import MetricValue, ResultRecord
from saebench.results.scopes import Entrant, Scope, pool, scopes_of
from saebench.results.store import ResultStore
from saebench.stats import Difference, Estimate, compact_letters, holm, rank_intervals

SIGNIFICANT = 0.05
"""Holm-adjusted p below which two subjects count as different."""

NOT_THERE = MetricValue(value=None, n=0, undefined="not in this result")
NO_ITEMS = MetricValue(value=None, n=0, undefined="several eval_seeds, and per-item scores are missing")


@dataclass(frozen=True)
class Contender:
    """One subject on one metric."""

    name: str
    """Unique among the contenders."""
    estimate: Estimate
    table: ItemTable | None
    """Items of the metric's table; None where the subject has none."""


@dataclass(frozen=True)
class Row:
    """One subject in the table of a metric."""

    subject: str
    estimate: Estimate
    difference: Difference | None
    """This subject minus the base; None without a base and in the base's own row."""
    p_adjusted: float | None
    """p of that difference, Holm-adjusted over all pairs of the table."""
    rank: tuple[int, int] | None
    """Best and worst rank; None for a metric that is not ranked and for a subject that could not be tested."""
    letters: tuple[str, ...]
    """Subjects that share a letter do not differ significantly; empty for one that could not be tested."""


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


def compare_metric(
    metric: MetricLike, contenders: Sequence[Contender], *, scope: Scope, paired: bool, base: str | None = None
) -> Comparison:
    """The table of one metric.

    Args:
        metric: its declaration.
        contenders: subjects, in any order.
        scope: what they were scored on; the task's name seeds the resamples.
        paired: whether items are the same for every subject.
        base: subject that the others are compared with.

    Raises:
        UnknownName: no contender is called `base`.
        ResultsError: the item tables contradict each other.
    """
    ordered = sorted(contenders, key=lambda contender: contender.name)
    names = [contender.name for contender in ordered]
    if base is not None and base not in names:
        raise UnknownName("subject", base, near_misses(base, dict.fromkeys(names)), names)
    tables = {one.name: one.table for one in ordered if one.estimate.value is not None and one.table is not None}
    tests = _tests(metric, tables, scope.task, paired)
    adjusted = holm(tests.p_values())
    sign = {"up": 1, "down": -1, "none": 0}[metric.direction]
    ordered.sort(key=lambda one: (one.estimate.value is None, -sign * (one.estimate.value or 0.0), one.name))
    places = {name: place for place, name in enumerate(tables)}
    tested = {place for pair in adjusted for place in pair}
    best_first = [places[one.name] for one in ordered if places.get(one.name) in tested]
    ranks, letters = _standings(tests, adjusted, best_first, sign)
    if sign == 0 or metric.group == "legacy":
        ranks = {}

    rows = []
    for one in ordered:
        place = places.get(one.name)
        difference = None if base in (None, one.name) else _difference(tests, places, one.name, str(base))
        p = None if place is None or base not in places else adjusted.get(_pair(place, places[base]))
        rank, marks = (None, ()) if place is None else (ranks.get(place), letters.get(place, ()))
        rows.append(Row(one.name, one.estimate, difference, p, rank, marks))
    detectable = tests.median_detectable(list(adjusted))
    return Comparison(
        scope, metric.name, metric.direction, base, paired, tests.shared, len(adjusted), detectable, tuple(rows)
    )


def _tests(metric: MetricLike, tables: Mapping[str, ItemTable], task: str, paired: bool) -> PairTests:
    if paired:
        return SharedItems(metric, list(tables.values()), task)
    if any(table.partners for table in tables.values()):
        return OwnPairs(metric, list(tables.values()))
    return OwnItems(metric, list(tables.values()), [f"{task} {name}" for name in tables])


def unranked(comparison: Comparison, reason: str) -> Comparison:
    """The table without ranks and tie groups, with the reason; values, intervals and differences stay."""
    rows = tuple(replace(row, rank=None, letters=()) for row in comparison.rows)
    return replace(comparison, rows=rows, unfit=reason)


def _difference(tests: PairTests, places: Mapping[str, int], name: str, base: str) -> Difference:
    for side in (name, base):
        if side not in places:
            return Difference(None, None, None, 0, None, None, f"'{side}' has no value or no items")
    return tests.difference(places[name], places[base])


def _standings(
    tests: PairTests, adjusted: Mapping[Pair, float], best_first: Sequence[int], sign: int
) -> tuple[dict[int, tuple[int, int]], dict[int, tuple[str, ...]]]:
    """Rank interval and letters of each tested subject."""
    row = {place: index for index, place in enumerate(best_first)}
    better = np.zeros((len(row), len(row)), dtype=bool)
    for (a, b), p in adjusted.items():
        if p < SIGNIFICANT:
            winner, loser = (a, b) if (sign or 1) * tests.value(a, b) > 0 else (b, a)
            better[row[winner], row[loser]] = True
    ranks, letters = rank_intervals(better), compact_letters(better | better.T)
    return dict(zip(best_first, ranks, strict=True)), dict(zip(best_first, letters, strict=True))


def _pair(a: int, b: int) -> Pair:
    return min(a, b), max(a, b)


def compare_records(
    records: Iterable[ResultRecord],
    store: ResultStore,
    card_of: Callable[[str], CardLike],
    *,
    base: str | None = None,
    metrics: Sequence[str] | None = None,
) -> list[Comparison]:
    """One table for each scope and metric of some results.

    Args:
        records: results of any tasks, subjects and seeds; those that may be compared are found by their identity.
        store: where their per-item scores are.
        card_of: the card of a task by its name `id@version`.
        base: subject that the others are compared with, in those scopes that have it; None: no differences.
        metrics: names of metrics; None: each card's headline. A task without one of them has no such table.

    Raises:
        UnknownName: no scope has a subject called `base`, or a task is not known to `card_of`.
        ResultsError: per-item scores are damaged or contradict each other.
    """
    scopes = scopes_of(records)
    known = sorted({entrant.name for entrants in scopes.values() for entrant in entrants})
    if base is not None and base not in known:
        raise UnknownName("subject", base, near_misses(base, dict.fromkeys(known)), known)
    comparisons = []
    for scope, entrants in scopes.items():
        card = card_of(scope.task)
        audit = audit_of(card, store.root)
        tables = {record.id: store.items(record) for entrant in entrants for record in entrant.records}
        local_base = base if any(entrant.name == base for entrant in entrants) else None
        by_name = {metric.name: metric for metric in card.metrics}
        for name in card.headline if metrics is None else metrics:
            if name in by_name:
                metric = by_name[name]
                contenders = [contender(metric, entrant, tables) for entrant in entrants]
                paired = metric.table in card.paired_by
                made = compare_metric(metric, contenders, scope=scope, paired=paired, base=local_base)
                comparison = replace(made, reliability=audit.metric(name) if audit else None)
                comparisons.append(unranked(comparison, card.unfit) if card.unfit else comparison)
    return comparisons


def contender(metric: MetricLike, entrant: Entrant, tables: Mapping[str, Mapping[str, ItemTable]]) -> Contender:
    """A subject on one metric: the stored value of one eval_seed, the value over the pooled items of several.

    Args:
        metric: its declaration.
        entrant: the subject with its results.
        tables: result id to its item tables.
    """
    own = {record.eval_seed: tables[record.id].get(metric.table) for record in entrant.records}
    held = {seed: table for seed, table in own.items() if table is not None}
    table = pool(held) if len(held) == len(own) else None
    values = [record.metrics.get(metric.name, NOT_THERE) for record in entrant.records]
    if len(values) > 1 and table is not None and all(value.value is not None for value in values):
        return Contender(entrant.name, metric_estimates([metric], table, entrant.records[0].task)[0], table)
    if len(values) > 1 and table is None:
        values = [NO_ITEMS]
    chosen = next((value for value in values if value.value is None), values[0])
    estimate = Estimate(chosen.value, chosen.low, chosen.high, chosen.n, chosen.undefined)
    return Contender(entrant.name, estimate, table)
