"""The table of a comparison, one row a subject: its cells in words, and how a terminal shows them.

A cell has value, interval, tie letters and, with a base, the paired difference with its Holm-adjusted p. L0 stands
beside the subject in every piece of a table, since no other number can be read without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from saebench.report.numbers import DASH, decimals, fixed, interval, label
from saebench.report.reliability import note
from saebench.results.scopes import Scope
from saebench.results.standings import Comparison, Row

SPARSITY = "l0"
LONGEST_SUBJECT = 28
SMALLEST_P = 0.001
GAP = 2
"""Columns of a terminal between two columns of a table."""
LEGEND = (
    "Brackets: 95 % intervals. Subjects that share a letter do not differ significantly (5 %, Holm over all pairs)."
)
ARROWS = {"up": "↑", "down": "↓", "none": ""}


@dataclass(frozen=True)
class Table:
    """The comparisons of one scope, turned so that subjects are rows and metrics columns."""

    scope: Scope
    columns: tuple[Comparison, ...]
    """L0 first, where it is among them."""
    subjects: tuple[str, ...]
    """Best first on the first ranked metric."""

    @property
    def base(self) -> str | None:
        """The subject that differences are taken to."""
        return self.columns[0].base

    @property
    def title(self) -> str:
        """What was compared, in one line."""
        scope = self.scope
        parts = [scope.task, f"suite {scope.suite}", *(part for part in (scope.setting, scope.lm, scope.site) if part)]
        return ", ".join(parts) + (f"; differences to {self.base}" if self.base else "")

    def rows(self) -> list[dict[str, Row]]:
        """The rows of each column, by subject."""
        return [{row.subject: row for row in column.rows} for column in self.columns]

    def cells(self) -> list[dict[str, Cell]]:
        """The texts of each column, by subject."""
        return [{row.subject: _cell(row, column) for row in column.rows} for column in self.columns]


@dataclass(frozen=True)
class Cell:
    """One subject on one metric, in words; what is undefined is a dash or empty."""

    value: str
    letters: str
    """Empty for a metric that is not ranked."""
    interval: str
    difference: str


def _cell(row: Row, column: Comparison) -> Cell:
    places = _places(column)
    estimate = row.estimate
    return Cell(
        value=DASH if estimate.value is None else fixed(estimate.value, places),
        letters="" if column.direction == "none" else " ".join(row.letters),
        interval=interval(estimate, places) or "",
        difference=_difference_text(row, places),
    )


def _difference_text(row: Row, places: int) -> str:
    if row.difference is None or row.difference.value is None:
        return ""
    text = signed(row.difference.value, places)
    return text if row.p_adjusted is None else f"{text} {p_text(row.p_adjusted)}"


@lru_cache(maxsize=64)
def _places(column: Comparison) -> int:
    return decimals([row.estimate for row in column.rows])


def signed(value: float, places: int) -> str:
    """A difference, with its sign."""
    text = fixed(value, places)
    return text if text.startswith("\u2212") else f"+{text}"


def p_text(p: float) -> str:
    """An adjusted p with three decimals."""
    return f"p<{SMALLEST_P}" if p < SMALLEST_P else f"p={p:.3f}"


def tables_of(comparisons: Sequence[Comparison]) -> list[Table]:
    """One table for each scope, in the order of the comparisons."""
    scopes: dict[Scope, list[Comparison]] = {}
    for comparison in comparisons:
        scopes.setdefault(comparison.scope, []).append(comparison)
    tables = []
    for scope, found in scopes.items():
        found.sort(key=lambda comparison: comparison.metric != SPARSITY)
        leading = next((one for one in found if one.direction != "none"), found[0])
        tables.append(Table(scope, tuple(found), tuple(row.subject for row in leading.rows)))
    return tables


def notes_of(table: Table) -> list[str]:
    """What to know beside the cells.

    Why nothing is ranked, what an audit found about each column, and why values or tests are undefined: each reason
    once with the columns and subjects that it holds for.
    """
    reasons: dict[str, dict[str, list[str]]] = {}
    for column in table.columns:
        for row in column.rows:
            for reason in {row.estimate.undefined, row.difference.undefined if row.difference else None} - {None}:
                reasons.setdefault(str(reason), {}).setdefault(label(column.metric), []).append(row.subject)
    unfit = sorted({f"Not for ranking: {column.unfit}" for column in table.columns if column.unfit})
    audited = [note(column.reliability) for column in table.columns if column.reliability]
    return [*unfit, *audited] + [
        f"{reason}: " + "; ".join(f"{metric} of {_some(subjects)}" for metric, subjects in places.items())
        for reason, places in sorted(reasons.items())
    ]


def _some(subjects: Sequence[str], most: int = 3) -> str:
    rest = len(subjects) - most
    return ", ".join(subjects[:most]) + (f" and {rest} more" if rest > 0 else "")


def rich_table(comparisons: Sequence[Comparison], width: int) -> RenderableType:
    """Tables for a terminal of `width` columns.

    Metrics that do not fit beside each other follow in further pieces, each with subject and L0. A subject takes two
    lines (value with tie letters, interval), three with a base (difference with its adjusted p).
    """
    shown: list[RenderableType] = []
    for table in tables_of(comparisons):
        shown += [Text(table.title, style="bold"), Text()]
        shown += _pieces(table, width)
        shown += [Text(line, style="dim") for line in (LEGEND, *notes_of(table))]
    return Group(*shown)


@dataclass(frozen=True)
class _Shown:
    """One column of a terminal table."""

    title: str
    texts: dict[str, Text]
    """By subject."""
    width: int


def _pieces(table: Table, width: int) -> list[RenderableType]:
    columns = [_shown(column, cells, table.base) for column, cells in zip(table.columns, table.cells(), strict=True)]
    beside = columns[:1] if table.columns[0].metric == SPARSITY and len(columns) > 1 else []
    name_width = min(LONGEST_SUBJECT, max(8, width // 3), max(map(len, ("Subject", *table.subjects))))
    room = width - name_width - sum(GAP + column.width for column in beside)
    rows: list[list[_Shown]] = [[]]
    left = room
    for column in columns[len(beside) :]:
        if rows[-1] and left < GAP + column.width:
            rows.append([])
            left = room
        rows[-1].append(column)
        left -= GAP + column.width
    return [part for row in rows for part in (_piece(table.subjects, [*beside, *row], name_width), Text())]


def _shown(column: Comparison, cells: dict[str, Cell], base: str | None) -> _Shown:
    """L0 is shown by its value alone, so that it takes little room in every piece."""
    title = f"{label(column.metric)} {ARROWS[column.direction]}".rstrip()
    brief = column.metric == SPARSITY
    letters = 0 if brief else max(len(cell.letters) for cell in cells.values())
    texts = {}
    for subject, cell in cells.items():
        text = Text(cell.value)
        if letters:
            text.append(f" {cell.letters:{letters}}", "cyan")
        if not brief:
            text.append(f"\n{cell.interval}", "dim")
            text.append(f"\n{cell.difference}" if base else "")
        texts[subject] = text
    longest = max(len(line) for text in texts.values() for line in text.plain.split("\n"))
    return _Shown(title, texts, max(longest, *map(len, title.split())))


def _piece(subjects: Sequence[str], columns: Sequence[_Shown], name_width: int) -> RichTable:
    shown = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    shown.add_column("Subject", width=name_width, overflow="ellipsis", no_wrap=True, vertical="top")
    for column in columns:
        shown.add_column(Text(column.title), justify="right", width=column.width, vertical="top")
    for subject in subjects:
        shown.add_row(Text(subject), *(column.texts[subject] for column in columns))
    return shown
