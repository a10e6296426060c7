"""`saebench compare SUBJECT...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from saebench.cli import console
from saebench.cli.options import Json, Out

EXAMPLE = "Example: saebench compare results --base pca-l0-32 --format markdown"


def compare(
    subjects: Annotated[
        list[str] | None,
        typer.Argument(help="Results folders, or names or paths of subjects in --out. Default: everything in --out."),
    ] = None,
    out: Out = Path("results"),
    base: Annotated[str | None, typer.Option("--base", help="Subject that differences are taken to.")] = None,
    task: Annotated[str | None, typer.Option("--task", help="Compare this task alone.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="Metric to show; repeatable. Default: the task's headline.")
    ] = None,
    format: Annotated[
        Literal["table", "markdown", "latex", "csv", "json"], typer.Option("--format", help="How to print it.")
    ] = "table",
    json: Json = False,
) -> None:
    """Print a table: per metric the value with its interval, the paired difference to a base, and tie groups."""
    from saebench.report.comparing import compare_folders, render

    tables = compare_folders(subjects or [], out, task=task, metrics=metric, base=base)
    if json or format == "json":
        console.print_json(tables.to_json())
    elif format == "table":
        console.out.print(render(tables, "table", console.out.width))
    else:
        console.print_text(str(render(tables, format, console.out.width)))
