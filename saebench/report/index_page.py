"""The index of the leaderboard: one file with the table of every board, its plots and its data.

Without scripts every board is a sorted table. With them the same data can be searched, filtered, sorted, plotted and
put side by side, and the address of the page says what is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from saebench.fingerprint import digest
from saebench.report.board_data import boards_json, reasons_of
from saebench.report.layout import FIXED, layout_of, shown_columns
from saebench.report.plot import plot_json
from saebench.report.site import MARK_SCRIPT, policy, site_text, templates
from saebench.report.view import Board
from saebench.results.schema import ResultRecord
from saebench.results.sparsity import BAND_RULE

LIBRARIES = ("vega.min.js", "vega-lite.min.js", "vega-embed.min.js")
SCRIPTS = ("page", "view", "columns", "filters", "table", "plot", "side", "download", "main")
"""In the order in which they use each other."""


def index_page(
    boards: Sequence[Board], records: Sequence[ResultRecord], title: str, card_pages: Mapping[str, str]
) -> str:
    """The text of `index.html`.

    Args:
        boards: in their order on the page.
        records: the results that they were made from, without duplicates.
        title: heading of the page.
        card_pages: address of a task's card from the index, by task name.
    """
    reasons = reasons_of(boards)
    scripts = [site_text(f"script/{name}.js") for name in SCRIPTS]
    libraries = [site_text(f"vendor/{name}") for name in LIBRARIES]
    environment = templates().overlay()
    own = {"layout": layout_of, "shown_columns": shown_columns, "caption": caption}
    environment.filters = environment.filters | own
    return environment.get_template("index.html.j2").render(
        title=title,
        boards=boards,
        notes=reasons,
        note_numbers={reason: number for number, reason in enumerate(reasons, 1)},
        card_pages=card_pages,
        fixed_columns=FIXED,
        band_rule=BAND_RULE,
        submitted=any(row.status for board in boards for row in board.rows),
        data={"boards": boards_json(boards, reasons, card_pages), "plot": plot_json()},
        policy=policy([MARK_SCRIPT, *scripts, *libraries], compiles=True) if boards else policy([MARK_SCRIPT]),
        mark_script=Markup(MARK_SCRIPT),
        scripts=[Markup(script) for script in scripts],
        libraries=[Markup(library) for library in libraries],
        licences=site_text("vendor/LICENSES.txt"),
        data_hash=digest([record.model_dump(mode="json") for record in records]),
        newest=max((record.provenance.finished for record in records), default="")[:10],
        versions=sorted({record.provenance.saebench for record in records}),
        subjects=len({record.subject.fingerprint for record in records}),
        results=len(records),
    )


def caption(board: Board) -> str:
    """What the table of a board is, in a sentence for its caption."""
    group = board.leading
    order = "" if group.headline is None else f", sorted by {group.columns[group.headline].label} of {group.task}"
    return f"{board.model}, {board.site}: {len(board.rows)} {board.subjects}{order}. Brackets hold 95 % intervals."
