"""`saebench plan SUITE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saebench.cli import console
from saebench.cli.ls import table
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

EXAMPLE = "Example: saebench plan quick --subject ./my_sae"


def plan(
    suite: Annotated[str, typer.Argument(help="A suite by name or path.")],
    subject: Subjects = None,
    panel: Panels = None,
    lm: Lm = None,
    site: Site = None,
    seeds: Seeds = None,
    out: Out = Path("results"),
    device: Device = "auto",
    dtype: Dtype = None,
    batch_size: BatchSize = None,
    json: Json = False,
) -> None:
    """List the units that a run would have, and which of them are done, without computing any."""
    from saebench.run.evaluate import Settings, plan_suite

    settings = Settings(out, lm, site, whole_numbers(seeds, "--seeds"), device, dtype_name(dtype), batch_size)
    _, made = plan_suite(named(subject, panel), suite, settings, console.progress())
    rows = [
        {
            "id": unit.id,
            "subject": unit.subject.name,
            "task": unit.task,
            "site": unit.subject.site,
            "eval_seed": unit.eval_seed,
            "done": unit.done,
        }
        for unit in made.units
    ]
    if json:
        console.print_json({"suite": made.suite.label, "units": rows})
        return
    console.out.print(table(rows))
    waiting = sum(not unit.done for unit in made.units)
    console.out.print(f"{len(rows)} units, {waiting} to compute")
