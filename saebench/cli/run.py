"""`saebench run SUITE`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saebench.cli import console
from saebench.cli.options import (
    BatchSize,
    Device,
    Dtype,
    Executor,
    Json,
    Lm,
    Mlflow,
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

if TYPE_CHECKING:
    from saebench.run.evaluate import Outcome

EXAMPLE = "Example: saebench run quick --subject ./my_sae --subject 'baseline:pca?l0=64' --mlflow"


def run(
    context: typer.Context,
    suite: Annotated[str, typer.Argument(help="A suite by name or path.")],
    subject: Subjects = None,
    panel: Panels = None,
    lm: Lm = None,
    site: Site = None,
    seeds: Seeds = None,
    out: Out = Path("results"),
    executor: Executor = "serial",
    device: Device = "auto",
    dtype: Dtype = None,
    batch_size: BatchSize = None,
    mlflow: Mlflow = None,
    json: Json = False,
) -> None:
    """Score subjects, and the suite's controls beside them. What is done is never computed again."""
    from saebench.cli.mlflow import log_if_wanted
    from saebench.run.evaluate import Settings, run_suite

    settings = Settings(out, lm, site, whole_numbers(seeds, "--seeds"), device, dtype_name(dtype), batch_size, executor)
    outcome = run_suite(named(subject, panel), suite, settings, console.progress())
    log_if_wanted(out, mlflow, outcome.records)
    report(outcome, json, context.find_root().params["debug"])


def report(outcome: Outcome, json: bool, debug: bool) -> None:
    """Print what a run did; with `debug` the traceback of each failure.

    Raises:
        UnitsFailed: some units failed.
    """
    for failure in outcome.failures:
        console.print_error(f"{failure.subject}: {failure.message}")
        if debug:
            console.err.print(failure.trace, markup=False)
    if json:
        console.print_json(outcome_json(outcome))
    else:
        from saebench.report.comparing import compare_results, render
        from saebench.results.frame import Results

        if outcome.records:
            tables = compare_results(Results.of(outcome.records, outcome.out))
            console.out.print(render(tables, "table", console.out.width))
        console.out.print(
            f"{len(outcome.computed)} computed, {len(outcome.skipped)} found done, {len(outcome.failures)} failed; "
            f"results in {outcome.out}",
            soft_wrap=True,
        )
    if outcome.failures:
        raise UnitsFailed(f"{len(outcome.failures)} units failed; the rest is stored in {outcome.out}")


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """The one object that `run --json` prints."""
    return {
        "computed": len(outcome.computed),
        "skipped": len(outcome.skipped),
        "failed": len(outcome.failures),
        "out": str(outcome.out),
        "failures": [{"subject": failure.subject, "message": failure.message} for failure in outcome.failures],
        "results": [
            {
                "id": record.id,
                "subject": record.subject.name,
                "task": record.task,
                "eval_seed": record.eval_seed,
                "metrics": {name: value.model_dump() for name, value in record.metrics.items()},
            }
            for record in sorted(outcome.records, key=lambda record: (record.task, record.subject.name, record.id))
        ],
    }
