"""`saebench quickstart`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saebench.cli import console
from saebench.cli.mlflow import tracking_uri
from saebench.cli.options import BatchSize, Device, Dtype, Json, Mlflow, dtype_name

EXAMPLE = "Example: saebench quickstart --out ./first"


def quickstart(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", help="Folder for dictionaries, results, MLflow and the page.")] = Path(
        "quickstart"
    ),
    device: Device = "auto",
    dtype: Dtype = None,
    batch_size: BatchSize = None,
    mlflow: Mlflow = None,
    json: Json = False,
) -> None:
    """Train a small panel on a packaged model, score it with its controls, log it, and write the leaderboard.

    Safe to interrupt: started again, it goes on where it was.
    """
    from saebench.cli.run import report
    from saebench.quickstart import quickstart as tell

    story = tell(
        out,
        device=device,
        dtype=dtype_name(dtype),
        batch_size=batch_size,
        mlflow=tracking_uri(mlflow),
        progress=console.progress(),
    )
    console.err.print(f"leaderboard: {story.page}\nmlflow: {story.mlflow_uri}", markup=False, soft_wrap=True)
    report(story.outcome, json, context.find_root().params["debug"])
