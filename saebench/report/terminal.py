"""Tables for a terminal: metrics that do not fit beside each other follow in pieces, each with subject and L0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from saebench.report.notes import notes_of
from saebench.report.table import Cell, Table, heading
from saebench.results.standings import Comparison

LONGEST_SUBJECT = 34
GAP = 2
"""Columns of a terminal between two columns of a table."""


def rich_tables(tables: Sequence[Table], width: int) -> RenderableType:
    """Tables for a terminal of `width` columns.

    A subject takes two lines (value with tie letters and rank, interval), three with a base (difference with its
    adjusted p).
    """
    shown: list[RenderableType] = []
    for table in tables:
        shown += [Text(table.title, style="bold"), Text()]
        shown += _pieces(table, width)
        shown += [Text(line, style="dim") for line in notes_of(table)]
        shown.append(Text())
    return Group(*shown[:-1])


@dataclass(frozen=True)
class _Shown:
    """One column of a terminal table."""

    title: str
    texts: dict[str, Text]
    """By subject."""
    foot: tuple[str, ...]
    width: int


def _pieces(table: Table, width: int) -> list[RenderableType]:
    heads = [head for head, _ in table.foot]
    foots = [tuple(texts[place] for _, texts in table.foot) for place in range(len(table.columns))]
    columns = [
        _shown(column, cells, foot, table.base)
        for column, cells, foot in zip(table.columns, table.cells(), foots, strict=True)
    ]
    sparsity = _sparsity(table, len(heads))
    longest = max(map(len, (table.row_title, *heads, *table.subjects, *(section.title for section in table.sections))))
    name_width = min(LONGEST_SUBJECT, max(13, width // 3), longest)
    room = width - name_width - GAP - sparsity.width
    rows: list[list[_Shown]] = [[]]
    left = room
    for column in columns:
        if rows[-1] and left < GAP + column.width:
            rows.append([])
            left = room
        rows[-1].append(column)
        left -= GAP + column.width
    return [part for row in rows for part in (_piece(table, heads, [sparsity, *row], name_width), Text())]


def _sparsity(table: Table, lines: int) -> _Shown:
    """L0 by its value alone, so that it takes little room in every piece."""
    texts = {subject: Text(text) for subject, text in table.sparsity.items()}
    width = max(len(text) for text in (*table.sparsity.values(), *table.sparsity_title.split()))
    return _Shown(table.sparsity_title, texts, ("",) * lines, width)


def _shown(column: Comparison, cells: dict[str, Cell], foot: tuple[str, ...], base: str | None) -> _Shown:
    title = heading(column)
    letters = max(len(cell.letters) for cell in cells.values())
    ranks = max(len(cell.rank) for cell in cells.values())
    texts = {}
    for subject, cell in cells.items():
        text = Text(cell.value)
        if letters:
            text.append(f" {cell.letters:{letters}}", "cyan")
        if ranks:
            text.append(f" {cell.rank:{ranks}}", "magenta")
        text.append(f"\n{cell.interval}", "dim")
        text.append(f"\n{cell.difference}" if base else "")
        texts[subject] = text
    longest = max(len(line) for text in texts.values() for line in text.plain.split("\n"))
    return _Shown(title, texts, foot, max(longest, *map(len, foot), *map(len, title.split())))


def _piece(table: Table, heads: Sequence[str], columns: Sequence[_Shown], name_width: int) -> RichTable:
    shown = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    shown.add_column(table.row_title, width=name_width, overflow="ellipsis", no_wrap=True, vertical="top")
    for column in columns:
        shown.add_column(Text(column.title), justify="right", width=column.width, vertical="top")
    for section in table.sections:
        if section.title:
            shown.add_row(Text(section.title, style="bold yellow"))
        for subject in section.subjects:
            shown.add_row(Text(subject), *(column.texts[subject] for column in columns))
    shown.add_section()
    for place, head in enumerate(heads):
        shown.add_row(Text(head, style="dim"), *(Text(column.foot[place], style="dim") for column in columns))
    return shown
