"""What the leaderboard shows, before any markup: results become sections, columns, rows and cells.

A section is a scope: results that may be compared, one suite, task, model, site, data and parameters. Everything that
a template prints is decided here, so that the page can be tested without a browser.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from saebench.fingerprint import canonical_json, digest
from saebench.report.numbers import decimals, exact, fixed, interval, label
from saebench.report.scales import Bar, Scale, scale_of
from saebench.results.audits import AuditRecord
from saebench.results.schema import DataRecord, MetricValue, ResultRecord
from saebench.results.scopes import Entrant, Scope, scopes_of
from saebench.tasks.contract import Card, Direction, Metric

Kind = Literal["trained", "baseline", "control"]
MANY_SETS = 4
"""Data sets that a section names one by one; of more, the first ones."""
WITHOUT_A_CARD = 9
"""Columns of a task whose card is not at hand: the first metrics that its results hold."""


@dataclass(frozen=True)
class Standing:
    """Where a subject stands on the headline metric, among the subjects of its section."""

    letters: str
    """Compact letter display: subjects that share a letter are not significantly different."""
    best: int
    """Best rank that the data allow: 1 + number of subjects significantly better."""
    worst: int
    """Worst rank that the data allow: N - number of subjects significantly worse."""


@dataclass(frozen=True)
class Column:
    """One metric as a column."""

    metric: Metric
    label: str
    decimals: int
    scale: Scale | None
    trust: str
    """The verdict of an audit on it, or "not audited"; empty for a metric without a direction."""

    @property
    def first_order(self) -> Literal["ascending", "descending"]:
        """The order that shows the best value first."""
        return "descending" if self.metric.direction == "up" else "ascending"


@dataclass(frozen=True)
class Cell:
    """One value as it is printed."""

    text: str | None
    """None where the value is undefined."""
    interval: str | None
    exact: str | None
    """The value at full precision, for sorting."""
    note: int | None
    """Number of the section's note that gives the reason for what is undefined."""
    reason: str | None
    bar: Bar | None


@dataclass(frozen=True)
class Row:
    """One result as a row, and all of it for its sheet."""

    anchor: str
    name: str
    kind: Kind
    architecture: str
    latents: int | None
    seed: int | None
    cells: tuple[Cell, ...]
    standing: Standing | None
    record: ResultRecord


@dataclass(frozen=True)
class Section:
    """One table with its plot, notes, definitions and sheets."""

    anchor: str
    suite: str
    task: str
    setting: str
    """Parameters that tell it from other sections of the same task."""
    question: str | None
    source: str | None
    unfit: str
    """Why nothing is ranked here."""
    facts: tuple[tuple[str, str], ...]
    columns: tuple[Column, ...]
    headline: int | None
    """Index of the column that the table is sorted by at first."""
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    definitions: tuple[Metric, ...]
    audit: AuditRecord | None
    """How far each metric can be trusted."""

    @property
    def architectures(self) -> list[str]:
        """Architectures that occur, sorted."""
        return sorted({row.architecture for row in self.rows})

    @property
    def ranked(self) -> bool:
        """Whether any row has a standing."""
        return any(row.standing for row in self.rows)

    def count(self, kind: Kind) -> int:
        """Rows of one kind."""
        return sum(row.kind == kind for row in self.rows)


def kind_of(record: ResultRecord) -> Kind:
    """A control has a role; a baseline was fitted from a recipe; the rest was trained."""
    if record.subject.role is not None:
        return "control"
    return "baseline" if record.subject.spec.startswith("baseline:") else "trained"


def unique(records: Sequence[ResultRecord]) -> list[ResultRecord]:
    """One record for each id (the newest), in the order of their ids: the order of arrival never matters."""
    newest: dict[str, ResultRecord] = {}
    for record in sorted(records, key=lambda r: (r.provenance.finished, canonical_json(r.model_dump(mode="json")))):
        newest[record.id] = record
    return [newest[key] for key in sorted(newest)]


def sections(
    records: Sequence[ResultRecord],
    cards: Mapping[str, Card],
    standings: Mapping[str, Standing],
    audits: Mapping[str, AuditRecord],
) -> list[Section]:
    """Comparable results, section by section, ordered by suite, task, model and site.

    Args:
        records: results without duplicates.
        cards: task name (`reconstruction@1`) to its card; a task without one shows bare names.
        standings: result id to its standing on the headline metric.
        audits: task name to its audit, for tasks that have one.
    """
    return [
        _section(scope, entrants, cards.get(scope.task), standings, audits.get(scope.task))
        for scope, entrants in scopes_of(records).items()
    ]


def _section(
    scope: Scope,
    entrants: Sequence[Entrant],
    card: Card | None,
    standings: Mapping[str, Standing],
    audit: AuditRecord | None,
) -> Section:
    records = [record for entrant in entrants for record in entrant.records]
    declared = _declared(records, card)
    columns = tuple(_column(metric, records, audit) for metric in _shown(declared, card))
    names_shown = [column.metric.name for column in columns]
    first = headline_of(card) if card else next(iter(names_shown), None)
    headline = names_shown.index(first) if first in names_shown else None
    notes: list[str] = []
    names = {record.id: _name(entrant, record) for entrant in entrants for record in entrant.records}
    ordered = sorted(records, key=lambda record: _best_first(record, columns, headline))
    rows = tuple(_row(names[record.id], record, columns, notes, standings.get(record.id)) for record in ordered)
    return Section(
        anchor=digest([scope.suite, scope.key])[:12],
        suite=scope.suite,
        task=scope.task,
        setting=scope.setting,
        question=card.question if card else None,
        source=card.source if card else None,
        unfit=card.unfit if card else "",
        facts=_facts(records[0]),
        columns=columns,
        headline=headline,
        rows=rows,
        notes=tuple(notes),
        definitions=tuple(declared.values()) if card else (),
        audit=audit,
    )


def _declared(records: Sequence[ResultRecord], card: Card | None) -> dict[str, Metric]:
    """Metrics by name: those of the card that occur, in its order, then those that only the results know."""
    present = {name: None for record in records for name in record.metrics}
    known = {metric.name: metric for metric in card.metrics if metric.name in present} if card else {}
    bare = {name: undeclared(name) for name in present if name not in known}
    return {**known, **bare}


def headline_of(card: Card) -> str | None:
    """The metric that a table is sorted and ranked by: the first of the card's headline that has a direction."""
    return next((name for name in card.headline if card.metric(name).direction != "none"), None)


def undeclared(name: str) -> Metric:
    """A metric of which only the name is known."""
    return Metric(name, definition="", numerator={}, denominator={}, table="")


def _shown(declared: Mapping[str, Metric], card: Card | None) -> list[Metric]:
    """Sparsity first, since nothing may be read without it; then the card's headline metrics."""
    names = [*card.headline] if card else list(declared)[:WITHOUT_A_CARD]
    names = ["l0", *(name for name in names if name != "l0")]
    return [declared[name] for name in names if name in declared]


def _column(metric: Metric, records: Sequence[ResultRecord], audit: AuditRecord | None) -> Column:
    everyone = [record.metrics[metric.name] for record in records if metric.name in record.metrics]
    trained = [r.metrics[metric.name] for r in records if metric.name in r.metrics and kind_of(r) == "trained"]
    shown = trained or everyone
    found = audit.metric(metric.name) if audit else None
    trust = "" if metric.direction == "none" else found.verdict if found else "not audited"
    scale = scale_of(shown, logarithmic=metric.name == "l0")
    return Column(metric, label(metric.name), decimals(shown), scale, trust)


def _best_first(record: ResultRecord, columns: Sequence[Column], headline: int | None) -> tuple[Any, ...]:
    metric = columns[headline].metric if headline is not None else None
    found = record.metrics.get(metric.name) if metric else None
    if metric is None or found is None or found.value is None:
        return (1, 0.0, record.subject.name, record.id)
    return (0, better(found.value, metric.direction), record.subject.name, record.id)


def better(value: float, direction: Direction) -> float:
    """A number that is smaller for better values."""
    return -value if direction == "up" else value


def _name(entrant: Entrant, record: ResultRecord) -> str:
    return entrant.name if len(entrant.records) == 1 else f"{entrant.name} (eval seed {record.eval_seed})"


def _row(
    name: str, record: ResultRecord, columns: Sequence[Column], notes: list[str], standing: Standing | None
) -> Row:
    subject = record.subject
    seed = subject.provenance.get("train_seed")
    return Row(
        anchor=digest(record.id)[:12],
        name=name,
        kind=kind_of(record),
        architecture=subject.architecture,
        latents=subject.d_dict,
        seed=seed if isinstance(seed, int) else None,
        cells=tuple(_cell(record.metrics.get(column.metric.name), column, notes) for column in columns),
        standing=standing,
        record=record,
    )


def _cell(found: MetricValue | None, column: Column, notes: list[str]) -> Cell:
    value = found or MetricValue(value=None, n=0, undefined="not among the metrics of this result")
    if value.undefined is not None and value.undefined not in notes:
        notes.append(value.undefined)
    return Cell(
        text=None if value.value is None else fixed(value.value, column.decimals),
        interval=interval(value, column.decimals) if value.value is not None else None,
        exact=None if value.value is None else exact(value.value),
        note=None if value.undefined is None else notes.index(value.undefined) + 1,
        reason=value.undefined,
        bar=column.scale.bar(value) if column.scale else None,
    )


def _facts(record: ResultRecord) -> tuple[tuple[str, str], ...]:
    """What holds for a whole section, as (term, text)."""
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


def data_text(part: DataRecord) -> str:
    """One part of the data in a few words."""
    tokens = "" if part.tokens is None else f", {part.tokens:,} tokens"
    where = "" if part.part == part.name else f" ({part.part})"
    return f"{part.name}{where}: {part.documents:,} documents{tokens}"
