"""From the results of one scope to a group of columns: values, standings, differences and what lies behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from saebench.report.breakdown import breakdowns
from saebench.report.contrasts import contrasts
from saebench.report.numbers import decimals, label
from saebench.report.scales import scale_of
from saebench.report.trends import Trend, trend_of
from saebench.report.view import Column, Entry, Group, data_text, kind_of, undeclared
from saebench.results.audits import AuditRecord
from saebench.results.comparison import Contender, compare_metric, contender_of, tests_of
from saebench.results.items import ItemTable
from saebench.results.metrics import leading
from saebench.results.schema import ResultRecord
from saebench.results.scopes import Entrant, Scope
from saebench.results.sparsity import MEASURED_BY, SPARSITY, Sparsity
from saebench.results.standings import unranked
from saebench.stats import Estimate
from saebench.tasks.contract import Card, Direction, Metric

MANY_SETS = 4
"""Data sets that a group names one by one; of more, the first ones."""
WITHOUT_A_CARD = 9
"""Columns of a task whose card is not at hand: the first metrics that its results hold."""

Versions = Mapping[str, Sequence[ResultRecord]]


class Items(Protocol):
    """Where the per-item scores of results are."""

    def items(self, record: ResultRecord) -> Mapping[str, ItemTable]:
        """The item tables of a result, by name."""


def group_of(
    scope: Scope,
    entrants: Sequence[Entrant],
    *,
    id: str,
    card: Card | None,
    audit: AuditRecord | None,
    store: Items,
    sparsity: Sparsity,
    versions: Versions,
) -> Group:
    """The group of one scope.

    Args:
        scope: what its results have in common.
        entrants: its subjects.
        id: name of the group on its board.
        card: of the task, where it is installed.
        audit: of the task, where it has one.
        store: where per-item scores are; they are read once and let go.
        sparsity: L0 of subjects.
        versions: all runs of each result by id, oldest first.
    """
    tables = {record.id: store.items(record) for entrant in entrants for record in entrant.records}
    declared = _declared([record for entrant in entrants for record in entrant.records], card)
    fields = {
        name: [contender_of(metric, entrant, tables, sparsity) for entrant in entrants]
        for name, metric in declared.items()
    }
    shown = _shown(declared, card, scope.task)
    trained = [kind_of(entrant.records[0]) == "trained" for entrant in entrants]
    columns = tuple(
        _column(metric, [one.entry.estimate for one in fields[metric.name]], trained, audit) for metric in shown
    )
    headline = _headline(shown, card)
    entries = {
        entrant.fingerprint: Entry(
            records=entrant.records,
            values=tuple(fields[metric.name][place].entry.estimate for metric in shown),
            others=tuple(
                (one, fields[one.name][place].entry.estimate) for one in declared.values() if one not in shown
            ),
            parts=breakdowns(tables[entrant.records[0].id], shown),
            trend=_trend(entrant, headline, versions),
        )
        for place, entrant in enumerate(entrants)
    }
    base = None
    if headline is not None and card is not None and headline.direction != "none":
        entries, base = _tested(entries, fields[headline.name], headline, scope, card, entrants)
    return Group(
        id=id,
        suite=scope.suite,
        task=scope.task,
        setting=scope.setting,
        card=card,
        audit=audit,
        about=card.question if card else "",
        facts=_facts(entrants[0].records[0]),
        columns=columns,
        headline=shown.index(headline) if headline else None,
        entries=entries,
        base=base,
    )


def _tested(
    entries: Mapping[str, Entry],
    field: Sequence[Contender],
    metric: Metric,
    scope: Scope,
    card: Card,
    entrants: Sequence[Entrant],
) -> tuple[dict[str, Entry], str | None]:
    """The entries with their standings and neighbours, and the base by fingerprint."""
    fingerprints = {entrant.name: entrant.fingerprint for entrant in entrants}
    paired = metric.table in card.paired_by
    comparison = compare_metric(metric, field, scope=scope, paired=paired)
    if card.unfit:
        comparison = unranked(comparison, card.unfit)
    tables = {
        one.entry.name: one.table
        for one in sorted(field, key=lambda one: one.entry.name)
        if one.table is not None and one.entry.estimate.value is not None
    }
    baselines = {entrant.name for entrant in entrants if kind_of(entrant.records[0]) == "baseline"} & set(tables)
    base = next((row.subject for row in comparison.rows if row.subject in baselines), None)
    beside = contrasts(comparison, tests_of(metric, tables, scope.task, paired), list(tables), base)
    rows = {row.subject: row for row in comparison.rows}
    found = {}
    for name, fingerprint in fingerprints.items():
        others = tuple(replace(one, other=fingerprints[one.other]) for one in beside.get(name, ()))
        found[fingerprint] = replace(entries[fingerprint], standing=rows[name], contrasts=others)
    return found, None if base is None else fingerprints[base]


def _declared(records: Iterable[ResultRecord], card: Card | None) -> dict[str, Metric]:
    """Metrics by name: those of the card that occur, in its order, then those that only the results know."""
    present = {name: None for record in records for name in record.metrics}
    known = {metric.name: metric for metric in card.metrics if metric.name in present} if card else {}
    bare = {name: undeclared(name) for name in present if name not in known}
    return {**known, **bare}


def _shown(declared: Mapping[str, Metric], card: Card | None, task: str) -> list[Metric]:
    """The columns: the card's headline metrics. The L0 that stands beside every subject is no column once more."""
    names = list(card.headline) if card else list(declared)[:WITHOUT_A_CARD]
    again = task.partition("@")[0] == MEASURED_BY
    return [declared[name] for name in names if name in declared and not (again and name == SPARSITY)]


def _headline(shown: Sequence[Metric], card: Card | None) -> Metric | None:
    """What ranks: the first of the card's headline with a direction; without a card, the first metric sorts."""
    if card is None:
        return next(iter(shown), None)
    metric = leading(card)
    return next((one for one in shown if metric is not None and one.name == metric.name), None)


def _column(metric: Metric, values: Sequence[Estimate], trained: Sequence[bool], audit: AuditRecord | None) -> Column:
    """Digits and scale are those of the trained subjects, so that differences between them can be seen."""
    chosen = [value for value, one in zip(values, trained, strict=True) if one] or values
    found = audit.metric(metric.name) if audit else None
    trust = "" if metric.direction == "none" else found.verdict if found else "not audited"
    scale = scale_of(chosen, logarithmic=metric.name == SPARSITY)
    return Column(metric, label(metric.name), decimals(chosen), scale, trust)


def _trend(entrant: Entrant, headline: Metric | None, versions: Versions) -> Trend | None:
    """The history of the first eval_seed that has one."""
    found = (trend_of(versions.get(one.id, ()), headline.name) for one in entrant.records) if headline else ()
    return next((trend for trend in found if trend), None)


def better(value: float, direction: Direction) -> float:
    """A number that is smaller for better values."""
    return -value if direction == "up" else value


def _facts(record: ResultRecord) -> tuple[tuple[str, str], ...]:
    """What holds for a whole group, as (term, text)."""
    facts = []
    if record.model:
        facts.append(("Model", f"{record.model.name}, computed in {record.model.compute_dtype}"))
    if record.site:
        facts.append(("Site", record.site))
    if len(record.data) > MANY_SETS:
        total = sum(part.documents for part in record.data)
        named = ", ".join(part.name for part in record.data[:MANY_SETS])
        facts.append(("Data", f"{len(record.data)} sets, {total:,} texts: {named}, ..."))
    else:
        facts += [("Data", data_text(part)) for part in record.data]
    return tuple(facts)
