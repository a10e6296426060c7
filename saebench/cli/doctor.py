"""`saebench doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from saebench.cli import console
from saebench.cli.ls import table
from saebench.cli.options import Json

EXAMPLE = "Example: saebench doctor --empty activations"


def doctor(
    empty: Annotated[
        str | None, typer.Option("--empty", help="Empty a cache: 'activations', 'artefacts', 'assets' or 'all'.")
    ] = None,
    json: Json = False,
) -> None:
    """Say what is installed, where caches are and how large, and what would fail."""
    from saebench.health import clear, examine

    freed = clear(empty) if empty else None
    report = examine()
    if json:
        console.print_json({**report.to_json(), "freed_bytes": freed})
        return
    if freed is not None:
        console.out.print(f"freed {freed / 1e6:.0f} MB")
    for title, rows in report.sections:
        console.out.print(f"\n[bold]{title}[/bold]")
        console.out.print(table(rows))
