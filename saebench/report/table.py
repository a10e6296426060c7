"""The table of a comparison, one row a subject: its rows, its cells in words, and what stands below them.

Rows are grouped by bands of L0, and L0 stands beside every subject, since no other number can be read without it. A
cell has value, tie letters, rank interval within the band, interval and, with a base, the paired difference with its
Holm-adjusted p. Below each column stands how far it can be trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from saebench.report.numbers import DASH, decimals, fixed, interval, label
from saebench.results.scopes import Scope
from saebench.results.sparsity import SPARSITY, Band
from saebench.results.standings import Comparison, Row

SMALLEST_P = 0.001
ARROWS = {"up": "↑", "down": "↓", "none": ""}
FRONTIER = "◆"
ACROSS = "†"
"""Marks a difference between subjects of two bands."""


@dataclass(frozen=True)
class Section:
    """The subjects of one band of L0, best first on the first ranked metric."""

    band: Band
    title: str
    """Empty where the table has one section alone."""
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One subject on one metric, in words; what is undefined is a dash or empty."""

    value: str
    """With a mark where the subject is on the Pareto curve."""
    letters: str
    """Empty for a metric that is not ranked."""
    rank: str
    """`#2` or `#2` to 3 with a dash: rank interval within the band, among all where no L0 is known."""
    interval: str
    difference: str


@dataclass(frozen=True)
class Table:
    """The comparisons of one scope, turned so that subjects are rows and metrics columns."""

    scope: Scope
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...] = ()
    """What is to be said of this table alone."""

    @property
    def base(self) -> str | None:
        """The subject that differences are taken to."""
        return self.comparisons[0].base

    @cached_property
    def columns(self) -> tuple[Comparison, ...]:
        """The metrics that are shown as columns: L0 has one of its own unless it is all there is."""
        others = tuple(one for one in self.comparisons if one.metric != SPARSITY)
        return others or self.comparisons

    @property
    def title(self) -> str:
        """What was compared, in one line."""
        scope = self.scope
        parts = [scope.task, f"suite {scope.suite}", *(part for part in (scope.setting, scope.lm, scope.site) if part)]
        return ", ".join(parts) + (f"; differences to {self.base}" if self.base else "")

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """Bands from sparse to dense, then the subjects of unknown L0."""
        leading = next((one for one in self.columns if one.direction != "none"), self.columns[0])
        found: dict[Band, list[str]] = {}
        for row in leading.rows:
            found.setdefault(row.band, []).append(row.subject)
        ordered = sorted(found, key=lambda band: (band is None, band or 0.0))
        several = len(found) > 1
        return tuple(Section(band, band_title(band) if several else "", tuple(found[band])) for band in ordered)

    @property
    def subjects(self) -> tuple[str, ...]:
        """All of them, section by section."""
        return tuple(subject for section in self.sections for subject in section.subjects)

    @cached_property
    def sparsity(self) -> dict[str, str]:
        """L0 of each subject in words; of an architecture its bands."""
        pools = {pool.name: pool.by_band for pool in self.columns[0].pools}
        places = decimals([_Known(row.l0) for row in self.columns[0].rows if row.l0 is not None])
        words = {}
        for row in self.columns[0].rows:
            if row.subject in pools:
                words[row.subject] = ", ".join(DASH if band is None else f"{band:g}" for band in pools[row.subject])
            else:
                words[row.subject] = DASH if row.l0 is None else fixed(row.l0, min(1, places))
        return words

    @property
    def row_title(self) -> str:
        """What a row is."""
        return "Architecture" if self.columns[0].pools else "Subject"

    @property
    def sparsity_title(self) -> str:
        """Heading of that column."""
        return "L0 bands" if self.columns[0].pools else "L0"

    def rows(self) -> list[dict[str, Row]]:
        """The rows of each comparison, by subject."""
        return [{row.subject: row for row in one.rows} for one in self.comparisons]

    def cells(self) -> list[dict[str, Cell]]:
        """The texts of each column, by subject."""
        return [_cells(column) for column in self.columns]

    @property
    def foot(self) -> list[tuple[str, list[str]]]:
        """What is to be known of each column: the verdict of its audit, and the smallest differences."""
        lines = [
            ("audit", [one.reliability.verdict if one.reliability else "" for one in self.columns]),
            ("data can see", [_places_text(one, one.detectable) for one in self.columns]),
            ("reliable from", [_places_text(one, _reliable(one)) for one in self.columns]),
        ]
        return [(head, texts) for head, texts in lines if any(texts)]


@dataclass(frozen=True)
class _Known:
    """A number without an interval, for the choice of decimals."""

    value: float | None
    low: float | None = None
    high: float | None = None


def tables_of(comparisons: Sequence[Comparison]) -> list[Table]:
    """One table for each scope, in the order of the comparisons."""
    scopes: dict[Scope, list[Comparison]] = {}
    for comparison in comparisons:
        scopes.setdefault(comparison.scope, []).append(comparison)
    return [Table(scope, tuple(found)) for scope, found in scopes.items()]


def heading(column: Comparison) -> str:
    """The metric with an arrow to its better side."""
    return f"{label(column.metric)} {ARROWS[column.direction]}".rstrip()


def band_title(band: Band) -> str:
    """`L0 ≈ 32`."""
    if band is None:
        return "L0 not known"
    return f"L0 ≈ {band:g}" if band else "L0 = 0"


def signed(value: float, places: int) -> str:
    """A difference, with its sign."""
    text = fixed(value, places)
    return text if text.startswith("\u2212") else f"+{text}"


def p_text(p: float) -> str:
    """An adjusted p with three decimals."""
    return f"p<{SMALLEST_P}" if p < SMALLEST_P else f"p={p:.3f}"


def _cells(column: Comparison) -> dict[str, Cell]:
    places = _places(column)
    base = next((row for row in column.rows if row.subject == column.base), None)
    banded = any(row.band is not None for row in column.rows)
    return {row.subject: _cell(row, column, base, banded, places) for row in column.rows}


def _cell(row: Row, column: Comparison, base: Row | None, banded: bool, places: int) -> Cell:
    estimate = row.estimate
    rank = row.band_rank if banded else row.rank
    mark = FRONTIER if row.frontier else ""
    return Cell(
        value=DASH if estimate.value is None else fixed(estimate.value, places) + mark,
        letters="" if column.direction == "none" else " ".join(row.letters),
        rank="" if rank is None else f"#{rank[0]}" if rank[0] == rank[1] else f"#{rank[0]}{DASH}{rank[1]}",
        interval=interval(estimate, places) or "",
        difference=_difference_text(row, base, places),
    )


def _difference_text(row: Row, base: Row | None, places: int) -> str:
    if base is None or row.difference is None or row.difference.value is None:
        return ""
    across = ACROSS if crosses(row, base) else ""
    text = signed(row.difference.value, places) + across
    return text if row.p_adjusted is None else f"{text} {p_text(row.p_adjusted)}"


def crosses(row: Row, base: Row) -> bool:
    """Whether the two are not known to be of one band of L0; where neither is known, nothing can be said."""
    return row.band != base.band


def _places(column: Comparison) -> int:
    return decimals([row.estimate for row in column.rows])


def _places_text(column: Comparison, value: float | None) -> str:
    """A small difference, with one digit more than the column where it would else be zero."""
    if value is None or column.direction == "none":
        return ""
    return fixed(value, max(_places(column), decimals([_Known(value)]) - 1))


def _reliable(column: Comparison) -> float | None:
    """Smallest reliable difference of two scores of one seed, else of two seeds."""
    if column.reliability is None:
        return None
    paired, single = column.reliability.smallest_reliable_paired.value, column.reliability.smallest_reliable.value
    return single if paired is None else paired
