"""Subjects side by side on the metrics of a task: which results meet, how they are tested, and one table each.

The order in which results are given never matters. A subject without a value stays as a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from saebench.errors import UnknownName
from saebench.registry import near_misses
from saebench.results.audits import MetricAudit, audit_of
from saebench.results.items import ItemTable
from saebench.results.metrics import CardLike, MetricLike, metric_estimates
from saebench.results.pair_tests import OwnItems, OwnPairs, PairTests, SharedItems
from saebench.results.schema import MetricValue, ResultRecord
from saebench.results.scopes import Entrant, Scope, pool, scopes_of
from saebench.results.sparsity import Sparsity
from saebench.results.standings import Comparison, Entry, stand, unranked
from saebench.results.store import ResultStore
from saebench.stats import Estimate

NOT_THERE = MetricValue(value=None, n=0, undefined="not in this result")
NO_ITEMS = MetricValue(value=None, n=0, undefined="several eval_seeds, and per-item scores are missing")


@dataclass(frozen=True)
class Contender:
    """One subject on one metric."""

    entry: Entry
    table: ItemTable | None
    """Items of the metric's table; None where the subject has none."""


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
    tables = {
        one.entry.name: one.table
        for one in sorted(contenders, key=lambda one: one.entry.name)
        if one.entry.estimate.value is not None and one.table is not None
    }
    return stand(
        [one.entry for one in contenders],
        tests_of(metric, tables, scope.task, paired),
        list(tables),
        scope=scope,
        metric=metric.name,
        direction=metric.direction,
        ranked=metric.group != "legacy",
        paired=paired,
        base=base,
    )


def tests_of(metric: MetricLike, tables: Mapping[str, ItemTable], task: str, paired: bool) -> PairTests:
    """The tests of all pairs of subjects on a metric: paired, or by each subject's own items or pairs."""
    if paired:
        return SharedItems(metric, list(tables.values()), task)
    if any(table.partners for table in tables.values()):
        return OwnPairs(metric, list(tables.values()))
    return OwnItems(metric, list(tables.values()), [f"{task} {name}" for name in tables])


def compare_records(
    records: Iterable[ResultRecord],
    store: ResultStore,
    card_of: Callable[[str], CardLike],
    *,
    base: str | None = None,
    metrics: Sequence[str] | None = None,
    sparsity: Sparsity | None = None,
) -> list[Comparison]:
    """One table for each scope and metric of some results.

    Args:
        records: results of any tasks, subjects and seeds; those that may be compared are found by their identity.
        store: where their per-item scores are.
        card_of: the card of a task by its name `id@version`.
        base: subject that the others are compared with, in those scopes that have it; None: no differences.
        metrics: names of metrics; None: each card's headline. A task without one of them has no such table.
        sparsity: L0 of subjects where a task does not measure it; None: what `records` say.

    Raises:
        UnknownName: no scope has a subject called `base`, or a task is not known to `card_of`.
        ResultsError: per-item scores are damaged or contradict each other.
    """
    comparisons = []
    for field in fields_of(records, store, card_of, base=base, metrics=metrics, sparsity=sparsity):
        paired = field.metric.table in field.card.paired_by
        made = compare_metric(field.metric, field.contenders, scope=field.scope, paired=paired, base=field.base)
        comparisons.append(field.judged(made))
    return comparisons


@dataclass(frozen=True)
class Field:
    """The subjects of one scope on one metric."""

    scope: Scope
    card: CardLike
    metric: MetricLike
    entrants: Sequence[Entrant]
    contenders: Sequence[Contender]
    """In the order of the entrants."""
    base: str | None
    """Where it is one of them."""
    reliability: MetricAudit | None

    def judged(self, made: Comparison) -> Comparison:
        """The comparison with what an audit and the card say of it."""
        comparison = replace(made, reliability=self.reliability)
        return unranked(comparison, self.card.unfit) if self.card.unfit else comparison


def fields_of(
    records: Iterable[ResultRecord],
    store: ResultStore,
    card_of: Callable[[str], CardLike],
    *,
    base: str | None,
    metrics: Sequence[str] | None,
    sparsity: Sparsity | None,
) -> Iterator[Field]:
    """What there is to compare, as in `compare_records`."""
    records = list(records)
    scopes = scopes_of(records)
    check_base(base, scopes)
    known = sparsity or Sparsity(records)
    for scope, entrants in scopes.items():
        card = card_of(scope.task)
        audit = audit_of(card, store.root)
        tables = {record.id: store.items(record) for entrant in entrants for record in entrant.records}
        local_base = base if any(entrant.name == base for entrant in entrants) else None
        by_name = {metric.name: metric for metric in card.metrics}
        for name in card.headline if metrics is None else metrics:
            if name in by_name:
                contenders = [contender_of(by_name[name], entrant, tables, known) for entrant in entrants]
                reliability = audit.metric(name) if audit else None
                yield Field(scope, card, by_name[name], entrants, contenders, local_base, reliability)


def check_base(base: str | None, scopes: Mapping[Scope, Sequence[Entrant]]) -> None:
    """Somebody must be called as the base.

    Raises:
        UnknownName: nobody is, in any scope.
    """
    known = sorted({entrant.name for entrants in scopes.values() for entrant in entrants})
    if base is not None and base not in known:
        raise UnknownName("subject", base, near_misses(base, dict.fromkeys(known)), known)


def contender_of(
    metric: MetricLike, entrant: Entrant, tables: Mapping[str, Mapping[str, ItemTable]], sparsity: Sparsity
) -> Contender:
    """A subject on one metric: the stored value of one eval_seed, the value over the pooled items of several.

    Args:
        metric: its declaration.
        entrant: the subject.
        tables: item tables by the id of a result.
        sparsity: L0 of subjects.
    """
    own = {record.eval_seed: tables[record.id].get(metric.table) for record in entrant.records}
    held = {seed: table for seed, table in own.items() if table is not None}
    table = pool(held) if len(held) == len(own) else None
    estimate = _estimate(metric, entrant, table)
    l0 = sparsity.of(entrant.records)
    return Contender(Entry(entrant.name, estimate, l0, entrant.role is not None, entrant.self_reported), table)


def _estimate(metric: MetricLike, entrant: Entrant, table: ItemTable | None) -> Estimate:
    values = [record.metrics.get(metric.name, NOT_THERE) for record in entrant.records]
    if len(values) > 1 and table is not None and all(value.value is not None for value in values):
        return metric_estimates([metric], table, entrant.records[0].task)[0]
    if len(values) > 1 and table is None:
        values = [NO_ITEMS]
    chosen = next((value for value in values if value.value is None), values[0])
    return Estimate(chosen.value, chosen.low, chosen.high, chosen.n, chosen.undefined)
