"""`saebench ls KIND`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from saebench.cli import console
from saebench.cli.options import Json, Out
from saebench.listing import KINDS, listing

EXAMPLE = "Example: saebench ls architectures"


def ls(
    kind: Annotated[str | None, typer.Argument(help=f"One of: {', '.join(KINDS)}. Default: the kinds.")] = None,
    out: Out = Path("results"),
    json: Json = False,
) -> None:
    """List what there is of a kind."""
    rows = [{"name": one} for one in KINDS] if kind is None else listing(kind, out)
    if json:
        console.print_json(rows)
        return
    console.out.print(table(rows) if rows else f"no {kind}")


def table(rows: list[dict[str, Any]]) -> Table:
    """Rows as a table with a column a key."""
    shown = Table(box=None, pad_edge=False)
    keys = list(dict.fromkeys(key for row in rows for key in row))
    for key in keys:
        shown.add_column(key.replace("_", " "), no_wrap=key == "name", overflow="fold")
    for row in rows:
        shown.add_row(*(cell(row.get(key)) for key in keys))
    return shown


def cell(value: Any) -> str:
    """A value as a table shows it."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
