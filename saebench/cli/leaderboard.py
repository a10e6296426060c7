"""`saebench leaderboard build` and `saebench leaderboard serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saebench.cli import console
from saebench.cli.options import Json

app = typer.Typer(help="The static leaderboard.", no_args_is_help=True)

Results = Annotated[Path, typer.Argument(help="Results folder.")]
Site = Annotated[Path | None, typer.Option("--out", help="Folder of the page. Default: RESULTS/leaderboard.")]


@app.command("build", epilog="Example: saebench leaderboard build results")
def build(results: Results = Path("results"), out: Site = None, json: Json = False) -> None:
    """Write the page from results. It opens from disk and asks no host for anything."""
    from saebench.report.leaderboard import build_leaderboard

    page = build_leaderboard(results, out or results / "leaderboard")
    if json:
        console.print_json({"page": str(page)})
    else:
        console.out.print(str(page), markup=False, soft_wrap=True)


@app.command("serve", epilog="Example: saebench leaderboard serve results --port 8000")
def serve(
    results: Results = Path("results"),
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8000,
) -> None:
    """Build the page and serve it on this machine alone (127.0.0.1), for looking."""
    from saebench.report.leaderboard import build_leaderboard
    from saebench.report.serve import serve_folder

    page = build_leaderboard(results, results / "leaderboard")
    serve_folder(page.parent, port, lambda address: console.err.print(f"{address} (Ctrl-C ends it)"))
