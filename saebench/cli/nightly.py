"""`saebench nightly`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saebench.cli import console
from saebench.cli.options import BatchSize, Device, Dtype, Json, dtype_name
from saebench.errors import RegressionFound, ResultsError, UnitsFailed, UsageError

if TYPE_CHECKING:
    from saebench.nightly.night import Night, Request

EXAMPLE = "Example: saebench nightly --panel nightly --out nightly"


def nightly(
    context: typer.Context,
    panel: Annotated[
        str, typer.Option("--panel", help="What is watched: a YAML file with subjects, or a packaged panel.")
    ] = "nightly",
    suite: Annotated[
        str, typer.Option("--suite", help="How it is scored: a suite by name or path; its controls are watched too.")
    ] = "nightly",
    out: Annotated[
        Path, typer.Option("--out", help="Gets a new folder for the night, the history and the page of trends.")
    ] = Path("nightly"),
    reference: Annotated[
        Path | None,
        typer.Option("--reference", help="Folder of the reference. Default: the packaged one of the panel's name."),
    ] = None,
    update_reference: Annotated[
        bool,
        typer.Option("--update-reference", help="Score the panel and make that the reference; needs --reason."),
    ] = False,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why the new scores are right; kept with the reference.")
    ] = None,
    device: Device = "auto",
    dtype: Dtype = None,
    batch_size: BatchSize = None,
    json: Json = False,
) -> None:
    """Did anything get worse? Scores a panel anew, compares it with a reference, confirms what fell.

    Golden values: a tiny world whose exact values must not change.
    The panel: item by item against the reference. A fall counts when it exceeds
    the recorded noise of seeds, when chance does not explain it (Holm, over all
    cells of the night), and when fresh seeds show it again.
    Drift: scores and cost over all nights; never an alarm.

    OUT/NIGHT/report.md says what fell and what to do; OUT/index.html is the trend.

    Exit codes: 3 a fall was confirmed. 4 units failed, whatever else was found.
    1 a golden value changed, a value is gone, or nothing could be compared.
    """
    from saebench.nightly.night import Request
    from saebench.nightly.scoring import Machine

    if reason is not None and not update_reference:
        raise UsageError("--reason belongs to --update-reference: without it nothing is replaced")
    request = Request(out, panel, suite, reference, Machine(device, dtype_name(dtype), batch_size))
    if update_reference:
        renew(request, reason, json)
        return
    watch(request, json, context.find_root().params["debug"])


def renew(request: Request, reason: str | None, json: bool) -> None:
    """Make a new reference and say where it is."""
    from saebench.nightly.updating import update_reference

    made = update_reference(request, reason or "", console.progress())
    if json:
        facts = made.facts.model_dump(mode="json", exclude={"definitions"})
        console.print_json({"folder": str(made.folder), "results": len(made.records), **facts})
    else:
        console.print_text(f"{len(made.records)} results are the reference now, in {made.folder}: {made.facts.reason}")


def watch(request: Request, json: bool, debug: bool) -> None:
    """Run a night, write its reports, then judge.

    Raises:
        UnitsFailed: some units failed.
        RegressionFound: a fall was confirmed.
        ResultsError: a golden value changed, a value is gone, or nothing could be compared.
    """
    from saebench.nightly.history import read_history
    from saebench.nightly.night import run_night
    from saebench.report.nightly import headline, markdown
    from saebench.report.nightly_json import night_json, write_reports
    from saebench.report.nightly_page import write_trends

    night = run_night(request, console.progress())
    found = judgement(night)
    report = night_json(night, found.exit_code if found else 0)
    write_reports(night, report)
    write_trends(read_history(request.out), night.drift, headline(night), request.out)
    for failure in night.failures:
        console.print_error(f"{failure.subject}: {failure.message}")
        if debug:
            console.err.print(failure.trace, markup=False)
    if json:
        console.print_json(report)
    else:
        console.print_text(markdown(night))
    if found:
        raise found


def judgement(night: Night) -> UnitsFailed | RegressionFound | ResultsError | None:
    """The error that a night ends with, the graver first."""
    from saebench.report.nightly import headline

    said, where = headline(night), night.folder / "report.md"
    if night.failures:
        return UnitsFailed(f"{said}; see {where}")
    if night.of_kind("regressed"):
        return RegressionFound(f"{said}; see {where}")
    if night.golden or night.redefined or night.lost or night.nothing_compared:
        return ResultsError(said, file=where, remedy="it says what to do")
    return None
