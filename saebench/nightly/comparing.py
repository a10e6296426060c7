"""Every tested metric of every subject, tonight and in the reference: the difference, or why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from saebench.errors import ResultsError
from saebench.nightly.differences import Side, difference, same_items
from saebench.nightly.margins import Margin, margin_of
from saebench.nightly.matching import Match
from saebench.results.audits import AuditRecord
from saebench.results.items import ItemTable
from saebench.results.metrics import metric_estimates
from saebench.results.schema import ResultRecord
from saebench.results.scopes import pool
from saebench.stats import Difference, Estimate
from saebench.tasks.contract import Card, Metric

Tables = Callable[[ResultRecord], Mapping[str, ItemTable]]
Definitions = Mapping[str, Mapping[str, Metric]]
"""Task to metric to its declaration."""

NO_MARGIN = Margin(None, "it was not looked for")
NO_ITEMS = "per-item scores are missing"


@dataclass(frozen=True)
class Cell:
    """What a verdict is about."""

    subject: str
    task: str
    setting: str
    metric: str

    def __str__(self) -> str:
        where = f"{self.task} ({self.setting})" if self.setting else self.task
        return f"{self.metric} of {self.subject} in {where}"


@dataclass(frozen=True)
class Compared:
    """One cell of both nights."""

    cell: Cell
    key: str
    """Digest of everything that decides it: nights with one key continue each other."""
    direction: Literal["up", "down", "none"]
    now: Estimate | None = None
    """Tonight; None where there is no such result."""
    then: Estimate | None = None
    difference: Difference | None = None
    """now - then over the items of both."""
    paired: bool = False
    """Its p comes from flipping the signs of shared clusters."""
    same: bool = False
    """Nothing changed: equal items, or undefined for one reason on both sides."""
    replaced: bool = False
    """Another dictionary stands under the same name: other weights or settings."""
    lost: bool = False
    """The reference has a value and tonight has none."""
    reason: str = ""
    """Why the two cannot be compared."""
    margin: Margin = NO_MARGIN
    scored: ResultRecord | None = None
    """A result of tonight that it comes from, for any of its seeds."""


def watched(card: Card) -> dict[str, Metric]:
    """The metrics that a night watches: those that a table shows first and that have a better and a worse."""
    return {
        metric.name: metric
        for metric in card.metrics
        if metric.name in card.headline and metric.direction != "none" and metric.group == "main"
    }


def compare(
    matches: Iterable[Match],
    now: Tables,
    then: Tables,
    definitions: Definitions,
    card_of: Callable[[str], Card],
    audit_of: Callable[[Card], AuditRecord | None],
    failed: Mapping[str, str],
) -> list[Compared]:
    """Every cell of the matches.

    Args:
        matches: results of both nights.
        now: item tables of a result of tonight.
        then: of one of the reference.
        definitions: metrics as they were declared when the reference was made.
        card_of: the card of a task by its name `id@version`.
        audit_of: the audit of a card, which holds the noise.
        failed: specification of a subject to why it has no result of tonight.
    """
    cells = []
    for one in matches:
        if not one.tonight:
            cells += [gone(one, metric, failed) for metric in definitions.get(one.task, {}).values()]
            continue
        card = card_of(one.task)
        audit = audit_of(card)
        held = {record.id: now(record) for record in one.tonight.values()}
        kept = {record.id: then(record) for record in one.reference.values()}
        old = definitions.get(next((record.task for record in one.reference.values()), one.task), {})
        for name, metric in watched(card).items():
            margin = margin_of(metric, audit.metric(name) if audit else None)
            cell = Cell(one.subject, one.task, one.setting, name)
            other = not one.reason and not one.same_subject
            scored = next(iter(one.tonight.values()))
            base = Compared(cell, one.key, metric.direction, margin=margin, replaced=other, scored=scored)
            new, before = Half(metric, one.tonight, held), Half(old.get(name, metric), one.reference, kept)
            matched = metric.table in card.paired_by or one.same_subject
            cells.append(compare_halves(base, one.reason, new, before, matched))
    return cells


def gone(match: Match, metric: Metric, failed: Mapping[str, str]) -> Compared:
    """A cell of the reference that tonight does not have."""
    cell = Cell(match.subject, match.task, match.setting, metric.name)
    spec = next(iter(match.reference.values())).subject.spec
    reason = f"it failed tonight: {failed[spec]}" if spec in failed else match.reason
    return Compared(cell, match.key, metric.direction, reason=reason)


@dataclass(frozen=True)
class Half:
    """A metric of one subject on one side, over all its seeds."""

    metric: Metric
    records: Mapping[int, ResultRecord]
    tables: Mapping[str, Mapping[str, ItemTable]]
    """By result id."""

    @property
    def undefined(self) -> str | None:
        """Why the metric has no value under one of the seeds."""
        values = [record.metrics.get(self.metric.name) for record in self.records.values()]
        missing = next((value.undefined for value in values if value is not None and value.value is None), None)
        return "there was no such metric" if None in values else missing

    @property
    def side(self) -> Side | None:
        """Items of all seeds together; None where some are missing."""
        found = {seed: self.tables[record.id].get(self.metric.table) for seed, record in self.records.items()}
        whole = {seed: table for seed, table in found.items() if table is not None}
        return Side(self.metric, pool(whole)) if whole and len(whole) == len(found) else None

    def estimate(self, task: str) -> Estimate | None:
        """Value and interval; None where there is no result."""
        if not self.records:
            return None
        side, reason = self.side, self.undefined
        if reason is not None or side is None:
            return Estimate(None, None, None, 0, reason or NO_ITEMS)
        return metric_estimates([self.metric], side.table, task)[0]


def compare_halves(base: Compared, reason: str, now: Half, then: Half, matched: bool) -> Compared:
    """Fill in one cell.

    Args:
        base: what it is.
        reason: why its results cannot be compared; empty where they can.
        now: tonight.
        then: the reference.
        matched: whether items of both sides are the same items.
    """
    task = base.cell.task
    base = replace(base, now=now.estimate(task), then=then.estimate(task))
    lost = bool(base.then and base.then.value is not None and base.now and base.now.value is None)
    base = replace(base, lost=lost, reason=reason)
    if reason:
        return base
    if now.undefined is not None or then.undefined is not None:
        if now.undefined == then.undefined:
            return replace(base, same=True)
        side = "tonight" if now.undefined is not None else "in the reference"
        return replace(base, reason=f"undefined {side}: {now.undefined or then.undefined}")
    new, old = now.side, then.side
    if new is None or old is None:
        return replace(base, reason=f"{NO_ITEMS} {'tonight' if new is None else 'in the reference'}")
    try:
        same = same_items(new, old)
        paired = (matched or same) and not new.table.partners
        return replace(base, same=same, paired=paired, difference=difference(new, old, task, paired))
    except ResultsError as error:
        return replace(base, reason=error.message)
