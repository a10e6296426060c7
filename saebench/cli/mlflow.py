"""`saebench mlflow sync`, and the `--mlflow` option of other verbs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saebench.cli import console
from saebench.cli.options import MLFLOW_FROM_OUT, Json

if TYPE_CHECKING:
    from saebench.results.schema import ResultRecord

app = typer.Typer(help="Send results to an MLflow tracking server.", no_args_is_help=True)


@app.command("sync", epilog="Example: saebench mlflow sync results --uri http://127.0.0.1:5000")
def sync_command(
    results: Annotated[Path, typer.Argument(help="Results folder.")] = Path("results"),
    uri: Annotated[
        str | None, typer.Option("--uri", help="Tracking URI. Default: MLFLOW_TRACKING_URI, else sqlite in the folder.")
    ] = None,
    json: Json = False,
) -> None:
    """Send (again) every result of a folder; what is there already is left alone."""
    from saebench.tracking.mlflow import sync

    report = sync(results, tracking_uri(uri), progress=console.progress())
    if json:
        console.print_json(
            {"created": report.created, "skipped": report.skipped, "superseded": report.superseded, "uri": report.uri}
        )
    else:
        console.out.print(
            f"{report.created} sent, {report.skipped} there already, {report.superseded} superseded: {report.uri}",
            markup=False,
            soft_wrap=True,
        )


def tracking_uri(option: str | None) -> str | None:
    """Where `--mlflow` or MLFLOW_TRACKING_URI points; None is the database in the results folder."""
    if option == MLFLOW_FROM_OUT:
        return None
    return os.environ.get("MLFLOW_TRACKING_URI") if option is None else option


def log_if_wanted(out: Path, option: str | None, records: Sequence[ResultRecord]) -> None:
    """Log to MLflow when `--mlflow` or MLFLOW_TRACKING_URI asks for it."""
    wanted = option is not None or "MLFLOW_TRACKING_URI" in os.environ
    if not wanted or not records:
        return
    from saebench.tracking.mlflow import sync

    report = sync(out, tracking_uri(option), only=records, progress=console.progress())
    console.err.print(
        f"mlflow: {report.created} sent, {report.skipped} there already: {report.uri}", markup=False, soft_wrap=True
    )
