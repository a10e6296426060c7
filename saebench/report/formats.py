"""The table of a comparison as Markdown, LaTeX, CSV and JSON: the first two show cells, the others all numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from saebench.report.numbers import DASH, label
from saebench.report.table import ARROWS, LEGEND, Table, notes_of, tables_of
from saebench.results.standings import Comparison, Row

LATEX_ARROWS = {"up": r" $\uparrow$", "down": r" $\downarrow$", "none": ""}


def markdown(comparisons: Sequence[Comparison]) -> str:
    """Pipe tables, one for each scope; a column of differences follows each metric when there is a base."""
    pieces = []
    for table in tables_of(comparisons):
        head = ["Subject"]
        for column in table.columns:
            head += [f"{label(column.metric)} {ARROWS[column.direction]}".rstrip()]
            head += ["difference"] if table.base else []
        rows = [head, ["---", *["---:"] * (len(head) - 1)]]
        columns = table.cells()
        for subject in table.subjects:
            cells = [_markdown_text(subject)]
            for texts in columns:
                cell = texts[subject]
                cells.append(" ".join(part for part in (cell.value, cell.interval, cell.letters) if part))
                cells += [cell.difference.replace("<", "&lt;")] if table.base else []
            rows.append(cells)
        notes = "".join(f"\n- {_markdown_text(note)}" for note in (LEGEND, *notes_of(table)))
        body = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        pieces.append(f"**{_markdown_text(table.title)}**\n\n{body}\n{notes}\n")
    return "\n".join(pieces)


def _markdown_text(text: str) -> str:
    """A stranger's name as plain text: no markup, no new cell, no new line."""
    escaped = "".join("\\" + char if char in "\\`*_[]|#!~" else char for char in " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def latex(comparisons: Sequence[Comparison]) -> str:
    """`table` environments for the package `booktabs`; tie letters are superscripts, intervals in small print."""
    return "\n".join(_latex_table(table) for table in tables_of(comparisons))


def _latex_table(table: Table) -> str:
    head = ["Subject"]
    for column in table.columns:
        head.append(_latex_text(label(column.metric)) + LATEX_ARROWS[column.direction])
        head += ["difference"] if table.base else []
    columns = table.cells()
    rows = []
    for subject in table.subjects:
        cells = [_latex_text(subject)]
        for texts in columns:
            cell = texts[subject]
            letters = rf"\textsuperscript{{{cell.letters}}}" if cell.letters else ""
            ends = rf" {{\scriptsize {_latex_text(cell.interval)}}}" if cell.interval else ""
            cells.append(_latex_text(cell.value) + letters + ends)
            cells += [_latex_text(cell.difference)] if table.base else []
        rows.append(" & ".join(cells) + r" \\")
    # A row that starts with a bracket or a star would be read as an argument of the line break before it.
    body = "\n".join(rf"{{}}{row}" if row.startswith(("[", "*")) else row for row in rows)
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex_text(table.title)}. {_latex_text(LEGEND)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "\u2212": "$-$", DASH: "--",
}  # fmt: skip


def _latex_text(text: str) -> str:
    """Text without any command."""
    return "".join(LATEX.get(character, character) for character in " ".join(text.split()))


COLUMN_FIELDS = ("value", "low", "high", "n", "undefined")
DIFFERENCE_FIELDS = ("value", "low", "high", "p", "detectable", "undefined")


def csv_text(comparisons: Sequence[Comparison]) -> str:
    """One line a subject, numbers at full precision; tables of several scopes follow each other in the same columns."""
    tables = tables_of(comparisons)
    lines_out = [line for table in tables for line in _csv_lines(table)]
    names = list(dict.fromkeys(name for line in lines_out for name in line))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines_out)
    return stream.getvalue()


def _csv_lines(table: Table) -> list[dict[str, Any]]:
    scope, by_subject = table.scope, table.rows()
    found = []
    for subject in table.subjects:
        line: dict[str, Any] = {
            "suite": scope.suite, "task": scope.task, "setting": scope.setting, "lm": scope.lm, "site": scope.site,
            "subject": subject,
        }  # fmt: skip
        for column, rows in zip(table.columns, by_subject, strict=True):
            row = rows[subject]
            line |= {_field(column.metric, name): getattr(row.estimate, name) for name in COLUMN_FIELDS}
            best, worst = row.rank or (None, None)
            line |= {f"{column.metric}_rank_best": best, f"{column.metric}_rank_worst": worst}
            line[f"{column.metric}_letters"] = " ".join(row.letters)
            if table.base:
                line["base"] = table.base
                difference = row.difference
                line |= {
                    _field(f"{column.metric}_difference", name): getattr(difference, name, None)
                    for name in DIFFERENCE_FIELDS
                }
                line[f"{column.metric}_p_adjusted"] = row.p_adjusted
        found.append(line)
    return found


def _field(metric: str, name: str) -> str:
    return metric if name == "value" else f"{metric}_{name}"


def json_value(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """A JSON value: one object for each scope, its metrics, and one row a subject."""
    return [
        {
            **asdict(table.scope),
            "base": table.base,
            "metrics": [
                {
                    "name": column.metric,
                    "direction": column.direction,
                    "paired": column.paired,
                    "shared": column.shared,
                    "tests": column.tests,
                    "detectable": column.detectable,
                    "unfit": column.unfit or None,
                    "reliability": column.reliability and column.reliability.model_dump(mode="json"),
                }
                for column in table.columns
            ],
            "rows": [
                {
                    "subject": subject,
                    "metrics": {
                        column.metric: _json_cell(rows[subject])
                        for column, rows in zip(table.columns, table.rows(), strict=True)
                    },
                }
                for subject in table.subjects
            ],
        }
        for table in tables_of(comparisons)
    ]


def _json_cell(row: Row) -> dict[str, Any]:
    return {
        **asdict(row.estimate),
        "rank": row.rank and list(row.rank),
        "letters": list(row.letters),
        "difference": row.difference and {**asdict(row.difference), "p_adjusted": row.p_adjusted},
    }
