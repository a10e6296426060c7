"""What the leaderboard shows, before any markup: boards, groups of columns, rows and entries.

A board holds subjects of one kind at one site of a model, one row each. A group of columns is a scope: results that
may be compared, one task in one suite with its data and parameters. Values of two groups never share a column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from saebench.report.breakdown import Breakdown
from saebench.report.contrasts import Contrast
from saebench.report.scales import Scale
from saebench.report.trends import Trend
from saebench.results.aggregates import NAME as AGGREGATE
from saebench.results.audits import AuditRecord
from saebench.results.schema import DataRecord, ResultRecord
from saebench.results.standings import Row as Standing
from saebench.stats import Estimate
from saebench.tasks.contract import Card, Metric

Kind = Literal["trained", "baseline", "control"]
Status = Literal["", "self-reported", "reproduced"]
"""Empty for what was scored here; the others are those of a submission."""


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
class Entry:
    """One subject in one group."""

    records: tuple[ResultRecord, ...]
    """One for each eval_seed; none for an aggregate."""
    values: tuple[Estimate, ...]
    """As the group's columns."""
    others: tuple[tuple[Metric, Estimate], ...] = ()
    """Metrics without a column."""
    standing: Standing | None = None
    """On the group's headline metric; None where nothing was tested."""
    contrasts: tuple[Contrast, ...] = ()
    """The subjects that stand next to it, the base first."""
    parts: tuple[Breakdown, ...] = ()
    """Of the first eval_seed."""
    trend: Trend | None = None


@dataclass(frozen=True)
class Group:
    """One scope as a group of columns."""

    id: str
    """`suite/task@version`, unique on its board."""
    suite: str
    task: str
    setting: str
    """Parameters that tell it from other groups of the same task and suite."""
    card: Card | None
    """None for a task that is not installed here."""
    audit: AuditRecord | None
    about: str
    """The question that it answers."""
    facts: tuple[tuple[str, str], ...]
    columns: tuple[Column, ...]
    headline: int | None
    """Index of the column by which subjects are ranked, or sorted where nothing is ranked."""
    entries: Mapping[str, Entry]
    """By fingerprint of the subject."""
    base: str | None
    """Fingerprint of the plain baseline that everybody is compared with."""

    @property
    def unfit(self) -> str:
        """Why nothing is ranked here."""
        return self.card.unfit if self.card else ""


@dataclass(frozen=True)
class Row:
    """One subject of a board."""

    fingerprint: str
    name: str
    page: str
    """File name of its page, without ending."""
    kind: Kind
    architecture: str
    latents: int | None
    seed: int | None
    recipe: str
    """Digest of how it was made, but for the training seed."""
    l0: Estimate | None
    """Where plain text of the suite was read, else where it was measured first; None where no result says it."""
    band: float | None
    """Middle of its band of L0."""
    status: Status


@dataclass(frozen=True)
class Board:
    """Subjects of one kind at one site of a model."""

    id: str
    model: str
    site: str
    subjects: str
    """What stands in a row: "dictionaries"."""
    groups: tuple[Group, ...]
    """The leading one first, the others by suite and task."""
    rows: tuple[Row, ...]
    """Best first on the leading group."""

    @property
    def leading(self) -> Group:
        """The group that the table is sorted by at first: an aggregate, else the ranked one of most subjects."""
        ranked = [group for group in self.groups if group.headline is not None and not group.unfit]
        mean = next((group for group in ranked if group.id == AGGREGATE), None)
        return mean or max(ranked or self.groups, key=lambda group: len(group.entries))

    def records(self, row: Row) -> list[ResultRecord]:
        """Every result of a subject."""
        entries = (group.entries.get(row.fingerprint) for group in self.groups)
        return [record for entry in entries if entry for record in entry.records]

    def count(self, kind: Kind) -> int:
        """Rows of one kind."""
        return sum(row.kind == kind for row in self.rows)


def kind_of(record: ResultRecord) -> Kind:
    """A control has a role; a baseline was fitted from a recipe; the rest was trained."""
    if record.subject.role is not None:
        return "control"
    return "baseline" if record.subject.spec.startswith("baseline:") else "trained"


def undeclared(name: str) -> Metric:
    """A metric of which only the name is known."""
    return Metric(name, definition="", numerator={}, denominator={}, table="")


def data_text(part: DataRecord) -> str:
    """One part of the data in a few words."""
    tokens = "" if part.tokens is None else f", {part.tokens:,} tokens"
    where = "" if part.part == part.name else f" ({part.part})"
    return f"{part.name}{where}: {part.documents:,} documents{tokens}"
