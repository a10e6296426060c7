"""`saebench check SUBJECT`."""

from __future__ import annotations

from typing import Annotated

import typer

from saebench.cli import console
from saebench.cli.options import Device, Json, Site
from saebench.errors import CheckpointError

EXAMPLE = "Example: saebench check ./my_sae --lm smollm2-135m-instruct --site blocks.9.hook_resid_post"


def check(
    subject: Annotated[
        str, typer.Argument(help="A folder, a foreign dictionary or a baseline, as in 'saebench run --subject'.")
    ],
    lm: Annotated[
        str | None, typer.Option("--lm", help="Encode activations of this language model instead of random ones.")
    ] = None,
    site: Site = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Check a dictionary: does it load, what is it, is it finite, is decode pure, does it match its site.

    With --lm it encodes real activations of the site, without it random ones. A baseline (baseline:itda) is fitted on
    planted activations first. A concept method (baseline:diffmean) is fitted on a toy lesson: is its
    direction finite, does it come out the same again, does it score texts one by one.
    """
    from saebench.run.checking import check_subject

    report = check_subject(subject, lm=lm, site=site, device=device, progress=console.progress())
    if json:
        console.print_json(report.to_json())
    else:
        for key, value in report.facts.items():
            if value is not None:
                console.out.print(f"{key:>14}  {value}", markup=False)
        for finding in report.findings:
            console.out.print("[green]ok[/green]  " if finding.ok else "[red]BAD[/red] ", end="")
            console.out.print(f"{finding.name}: {finding.detail}", markup=False)
    if not report.ok:
        bad = ", ".join(finding.name for finding in report.findings if not finding.ok)
        raise CheckpointError(f"{bad} failed", file=subject)
