"""`saebench show NAME`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from saebench.cli import console
from saebench.cli.options import Json, Out
from saebench.listing import describe

EXAMPLE = "Example: saebench show reconstruction@1"


def entries(mapping: dict[str, Any]) -> Table:
    """A mapping, one line an entry."""
    shown = Table.grid(padding=(0, 2))
    shown.add_column(no_wrap=True)
    for key, value in mapping.items():
        shown.add_row(Text(f"  {key}"), Text(value if isinstance(value, str) else console.compact(value)))
    return shown


def show(
    name: Annotated[
        str, typer.Argument(help="A suite, task, architecture, baseline, language model, data set or result id.")
    ],
    out: Out = Path("results"),
    json: Json = False,
) -> None:
    """Show one thing with all that is known about it: a task with its card, a data set with its licence."""
    facts, prose = describe(name, out)
    if json:
        console.print_json({**facts, "card": prose} if prose else facts)
        return
    for key, value in facts.items():
        if value is None or value == {}:
            continue
        console.out.print(f"[bold]{key.replace('_', ' ')}[/bold]: ", end="" if not isinstance(value, dict) else "\n")
        if isinstance(value, dict):
            console.out.print(entries(value))
        else:
            console.out.print(value if isinstance(value, str) else console.compact(value), markup=False)
    if prose:
        console.out.print()
        console.out.print(Markdown(prose))
