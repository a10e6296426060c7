"""The table of a comparison as Markdown and LaTeX: the cells of the terminal, in one line each."""

from __future__ import annotations

from collections.abc import Sequence

from saebench.report.notes import marks_of, notes_of
from saebench.report.numbers import DASH, label
from saebench.report.table import ACROSS, FRONTIER, Cell, Table, heading

LATEX_ARROWS = {"up": r" $\uparrow$", "down": r" $\downarrow$", "none": ""}


def markdown(tables: Sequence[Table]) -> str:
    """Pipe tables, one for each scope; a column of differences follows each metric when there is a base."""
    return "\n".join(_markdown_table(table) for table in tables)


def _markdown_table(table: Table) -> str:
    head = [table.row_title, table.sparsity_title]
    for column in table.columns:
        head += [heading(column), *(["difference"] if table.base else [])]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    columns = table.cells()
    for section in table.sections:
        if section.title:
            rows.append([f"**{section.title}**", *[""] * (len(head) - 1)])
        for subject in section.subjects:
            cells = [_markdown_text(subject), table.sparsity[subject]]
            for texts in columns:
                cell = texts[subject]
                cells.append(
                    _markdown_text(" ".join(filter(None, (cell.value, cell.interval, cell.letters, cell.rank))))
                )
                cells += [_markdown_text(cell.difference)] if table.base else []
            rows.append(cells)
    beside = [""] if table.base else []
    for name, foot in table.foot:
        rows.append([f"*{name}*", "", *(cell for text in foot for cell in (text, *beside))])
    body = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    notes = "".join(f"\n- {_markdown_text(note)}" for note in notes_of(table))
    return f"**{_markdown_text(table.title)}**\n\n{body}\n{notes}\n"


def _markdown_text(text: str) -> str:
    """A stranger's name as plain text: no markup, no new cell, no new line."""
    escaped = "".join("\\" + char if char in "\\`*_[]|#!~" else char for char in " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def latex(tables: Sequence[Table]) -> str:
    """`table` environments for the package `booktabs`; letters are superscripts, intervals and ranks in small print."""
    return "\n".join(_latex_table(table) for table in tables)


def _latex_table(table: Table) -> str:
    head = [table.row_title, table.sparsity_title]
    for column in table.columns:
        head.append(_latex_text(label(column.metric)) + LATEX_ARROWS[column.direction])
        head += ["difference"] if table.base else []
    columns = table.cells()
    rows = []
    for section in table.sections:
        if section.title:
            rows.append(rf"\multicolumn{{{len(head)}}}{{l}}{{\emph{{{_latex_text(section.title)}}}}} \\")
        for subject in section.subjects:
            cells = [_latex_text(subject), _latex_text(table.sparsity[subject])]
            for texts in columns:
                cells.append(_latex_cell(texts[subject]))
                cells += [_latex_text(texts[subject].difference)] if table.base else []
            rows.append(" & ".join(cells) + r" \\")
    marks = marks_of(table)
    foot = []
    beside = [""] if table.base else []
    for name, held in table.foot:
        cells = [cell for text in held for cell in (_latex_text(text), *beside)]
        foot.append(" & ".join([rf"\emph{{{name}}}", "", *cells]) + r" \\")
    # A row that starts with a bracket or a star would be read as an argument of the line break before it.
    body = [rf"{{}}{row}" if row.startswith(("[", "*")) else row for row in rows]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex_text(table.title)}. {_latex_text(' '.join(marks))}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            *body,
            *([r"\midrule", *foot] if foot else []),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            *(f"% {_latex_text(note)}" for note in notes_of(table)[len(marks) :]),
            "",
        ]
    )


def _latex_cell(cell: Cell) -> str:
    letters = rf"\textsuperscript{{{cell.letters}}}" if cell.letters else ""
    small = " ".join(filter(None, (cell.interval, cell.rank)))
    return _latex_text(cell.value) + letters + (rf" {{\scriptsize {_latex_text(small)}}}" if small else "")


LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "\u2212": "$-$", DASH: "--", "≈": r"$\approx$", FRONTIER: r"$\diamond$", ACROSS: r"\dag{}",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$",
}  # fmt: skip
LAST_LETTER = "\u017f"
"""The last character that pdfLaTeX knows without further packages: what lies beyond becomes a question mark."""


def _latex_text(text: str) -> str:
    """Text without any command."""
    words = " ".join(text.split())
    return "".join(
        LATEX.get(one, one if one.isascii() or (one.isalpha() and one <= LAST_LETTER) else "?") for one in words
    )
