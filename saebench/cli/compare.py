"""`saebench compare SUBJECT...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from saebench.cli import console
from saebench.cli.options import Json, Out, Panels, named

EXAMPLE = "Example: saebench compare results leaderboard/submissions/* --base pca-l0-32 --aggregate --format markdown"


def compare(
    subjects: Annotated[
        list[str] | None,
        typer.Argument(
            help="Results folders, submissions, panels (YAML), or names, paths or specifications of subjects in --out. "
            "Default: everything in --out."
        ),
    ] = None,
    panel: Panels = None,
    out: Out = Path("results"),
    base: Annotated[str | None, typer.Option("--base", help="Subject that differences are taken to.")] = None,
    task: Annotated[str | None, typer.Option("--task", help="Compare this task alone.")] = None,
    suite: Annotated[str | None, typer.Option("--suite", help="Compare results of this suite alone.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="Metric to show; repeatable. Default: the task's headline.")
    ] = None,
    by: Annotated[
        Literal["subject", "architecture"],
        typer.Option(
            "--by",
            help="What is a row. architecture: pooled over training seeds and L0; intervals answer for other items and "
            "other trainings, and two architectures are compared over the bands of L0 that both have.",
        ),
    ] = "subject",
    aggregate: Annotated[
        bool,
        typer.Option(
            "--aggregate",
            help="First the mean over tasks whose audit passed, of (value - random control) / (oracle or identity - "
            "random control).",
        ),
    ] = False,
    expand: Annotated[bool, typer.Option("--expand", help="The aggregate with its parts beside it.")] = False,
    format: Annotated[
        Literal["table", "markdown", "latex", "csv", "json"], typer.Option("--format", help="How to print it.")
    ] = "table",
    json: Json = False,
) -> None:
    """Print tables, one row a subject: per metric value, interval, tie letters, rank interval, difference to a base.

    Nearly everything moves with sparsity, so rows are grouped and ranked within bands of L0: factors of two around
    powers of two (32: 22.6 to 45.3). What reaches across bands is marked.
    """
    from saebench.report.comparing import compare_folders, render
    from saebench.verifier import with_accepted

    panels = [one for one in subjects or [] if one.endswith((".yaml", ".yml"))]
    given = [one for one in subjects or [] if one not in panels]
    with with_accepted(given) as folders:
        tables = compare_folders(
            [*folders, *named(None, [*panels, *(panel or [])])],
            out,
            base=base,
            task=task,
            suite=suite,
            metrics=metric,
            by=by,
            aggregate=aggregate,
            expand=expand,
        )
    if json or format == "json":
        console.print_json(tables.to_json())
    elif format == "table":
        console.out.print(render(tables, "table", console.out.width))
    else:
        console.print_text(str(render(tables, format, console.out.width)))
