"""`saebench audit TASK`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saebench.cli import console
from saebench.cli.options import (
    BatchSize,
    Device,
    Dtype,
    Json,
    Lm,
    Out,
    Panels,
    Seeds,
    Site,
    Subjects,
    dtype_name,
    named,
    whole_numbers,
)
from saebench.errors import UnitsFailed

EXAMPLE = "Example: saebench audit sparse_probing@1 --subject ./short --subject ./long --subject ./other"


def audit(
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="A task with its version; 'saebench ls tasks' lists them.")],
    subject: Subjects = None,
    panel: Panels = None,
    suite: Annotated[
        str, typer.Option("--suite", help="Suite whose budget, data and controls the audit takes.")
    ] = "audit",
    world: Annotated[
        str, typer.Option("--world", help="Synthetic world on which scores are held against the truth.")
    ] = "synthetic:small",
    lm: Lm = None,
    site: Site = None,
    seeds: Seeds = None,
    out: Out = Path("results"),
    device: Device = "auto",
    dtype: Dtype = None,
    batch_size: BatchSize = None,
    json: Json = False,
) -> None:
    """Measure how far a task can be trusted: noise over seeds, what it tells apart, controls, agreement with truth.

    Give it dictionaries that should differ: other architectures, and one architecture after short and long training.
    The audit goes to OUT/audits, where 'compare' and 'leaderboard build' find it.
    """
    from saebench.audit.auditing import Request, run_audit
    from saebench.report.reliability import rich_audit
    from saebench.results.audits import write_audit
    from saebench.run.evaluate import Settings

    settings = Settings(out, lm, site, whole_numbers(seeds, "--seeds"), device, dtype_name(dtype), batch_size)
    made = run_audit(Request(task, tuple(named(subject, panel)), settings, suite, world), console.progress())
    file = write_audit(made.record, out)
    for failure in made.failures:
        console.print_error(f"{failure.subject}: {failure.message}")
        if context.find_root().params["debug"]:
            console.err.print(failure.trace, markup=False)
    if json:
        console.print_json(made.record.model_dump(mode="json"))
    else:
        console.out.print(rich_audit(made.record, console.out.width))
        console.out.print(f"written to {file}", soft_wrap=True)
    if made.failures:
        raise UnitsFailed(f"{len(made.failures)} units failed; the audit rests on the others")
