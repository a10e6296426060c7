"""`saebench leaderboard build` and `saebench leaderboard serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saebench.cli import console
from saebench.cli.options import Json

app = typer.Typer(help="The static leaderboard.", no_args_is_help=True)

Folders = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="RESULTS...",
        help="Results folders, and submissions, which are verified first. Default: results. Of a unit that several "
        "hold, the newest result counts; the others are its history. Of a folder of nights, its history.jsonl is read.",
        show_default=False,
    ),
]
Site = Annotated[Path | None, typer.Option("--out", help="Folder of the pages. Default: RESULTS/leaderboard.")]


@app.command("build", epilog="Example: saebench leaderboard build results leaderboard/submissions/* --out site")
def build(results: Folders = None, out: Site = None, json: Json = False) -> None:
    """Write the pages from results: an index, and one for each subject and protocol.

    They open from disk and ask no host for anything.
    """
    page = _build(results, out)
    if json:
        console.print_json({"page": str(page)})
    else:
        console.out.print(str(page), markup=False, soft_wrap=True)


@app.command("serve", epilog="Example: saebench leaderboard serve results --port 8000")
def serve(
    results: Folders = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8000,
) -> None:
    """Build the pages and serve them on this machine alone (127.0.0.1), for looking."""
    from saebench.report.serve import serve_folder

    page = _build(results, None)
    serve_folder(page.parent, port, lambda address: console.err.print(f"{address} (Ctrl-C ends it)"))


def _build(results: list[Path] | None, out: Path | None) -> Path:
    """Write the pages of results folders and submissions; returns the index."""
    from saebench.report.leaderboard import build_leaderboard
    from saebench.verifier import with_accepted

    given = results or [Path("results")]
    with with_accepted([str(one) for one in given]) as folders:
        home = given[0] if str(given[0]) in folders else Path()
        found = [Path(one) for one in folders]
        return build_leaderboard(found, out or home / "leaderboard", progress=console.progress())
