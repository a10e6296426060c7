"""`saebench submit PATH`, `submit verify`, `submit accept` and `submit changed`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from saebench.cli import console
from saebench.cli.ls import table
from saebench.cli.options import BatchSize, Device, Json, Lm, Out, Site
from saebench.errors import CheckpointError, SubmissionError

if TYPE_CHECKING:
    from saebench.submissions.verifying import Verdict
    from saebench.submitting import Cost, Submitted

EXAMPLE = (
    "Example: saebench submit ./my_sae --suite quick --lm smollm2-135m-instruct --site blocks.9.hook_resid_post "
    "--name my-sae"
)
CHANGED_EXAMPLE = "Example: git diff --raw -z --no-renames --no-abbrev main...HEAD | saebench submit changed"
DEFAULT = "bundle"


class _BundleByDefault(TyperGroup):
    """`submit PATH` is `submit bundle PATH`. A folder that is called like a command is written ./verify."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help"):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_BundleByDefault,
    help="Send in a dictionary. 'saebench submit PATH' checks it, scores it and writes the folder to send; it is short "
    "for 'saebench submit bundle PATH', whose --help lists the options.",
    epilog=EXAMPLE,
    no_args_is_help=True,
)


def _answer(flag: str, what: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(flag, help=f"For the card: {what}.")
    return option


@app.command(DEFAULT, epilog=EXAMPLE)
def bundle(
    subject: Annotated[str, typer.Argument(metavar="PATH", help="A dictionary, as in 'saebench run --subject'.")],
    suite: Annotated[str, typer.Option("--suite", help="Suite by name or path.")] = "quick",
    lm: Lm = None,
    site: Site = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name on the leaderboard. Default: that of the dictionary's folder.")
    ] = None,
    out: Out = Path("results"),
    to: Annotated[Path, typer.Option("--to", help="Folder that the bundle is written into, as TO/NAME.")] = Path(
        "submissions"
    ),
    card: Annotated[
        Path | None, typer.Option("--card", help="YAML file with the answers below: authors, contact, paper, ...")
    ] = None,
    authors: Annotated[str | None, _answer("--authors", "who made it, as it should be cited")] = None,
    contact: Annotated[str | None, _answer("--contact", "where a maintainer may ask")] = None,
    paper: Annotated[str | None, _answer("--paper", "title or link of the paper, or 'none'")] = None,
    licence: Annotated[str | None, _answer("--licence", "licence of the weights")] = None,
    training_data: Annotated[str | None, _answer("--training-data", "what it was trained on")] = None,
    weights: Annotated[str | None, _answer("--weights", "where the weights can be had, or 'not published'")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and estimate; score nothing.")] = False,
    device: Device = "auto",
    batch_size: BatchSize = None,
    json: Json = False,
) -> None:
    """Check a dictionary, say what scoring costs, score it, and write the bundle to send.

    Scoring goes on where it was when the command is given again. What the card still lacks stands in
    TO/NAME/submission.yaml as TODO: fill it in and give the command once more, which computes nothing anew.
    """
    from saebench import submitting
    from saebench.run.evaluate import Settings, plan_suite, set_scene
    from saebench.run.suite import load_suite

    chosen, settings = load_suite(suite), Settings(out, lm, site, device=device, batch_size=batch_size)
    folder = to / submitting.name_for(subject, name)
    given = {"authors": authors, "contact": contact, "paper": paper, "licence": licence}
    given |= {"training_data": training_data, "weights": weights}
    answers = submitting.card_answers(card, required=True) if card else {}
    answers |= {key: value for key, value in given.items() if value is not None}

    scene = set_scene(chosen, settings, console.progress())
    reports = submitting.check(subject, scene, settings, console.progress())
    for report in reports:
        for finding in report.findings:
            mark = "ok " if finding.ok else "BAD"
            console.err.print(f"{mark} {finding.name}: {finding.detail}", markup=False, soft_wrap=True)
    if bad := [finding.name for report in reports for finding in report.findings if not finding.ok]:
        raise CheckpointError(f"{', '.join(bad)} failed", file=subject, remedy="'saebench check' tells more")
    _, plan = plan_suite([subject], chosen, settings, console.progress(), scene)
    costs = submitting.estimate(scene, plan, settings)
    for line in cost_lines(costs):
        console.err.print(line, markup=False, soft_wrap=True)
    if dry_run:
        if json:
            console.print_json({"costs": [cost.to_json() for cost in costs]})
        return
    made = submitting.bundle(subject, chosen, settings, scene, folder, answers, console.progress())
    if json:
        console.print_json({**made.verdict.to_json(), "to_fill_in": list(made.to_fill_in), "out": str(out)})
    else:
        _tell(made)
    if not made.verdict.accepted and not made.to_fill_in:
        raise made.verdict.refusals[0]


def _tell(made: Submitted) -> None:
    """What was written, and what to do next."""
    bundle = made.verdict.bundle
    console.out.print(f"{made.folder}: {len(made.outcome.records)} results", markup=False, soft_wrap=True)
    if made.to_fill_in:
        fields = ", ".join(made.to_fill_in)
        file = made.folder / "submission.yaml"
        console.out.print(f"fill in {fields} in {file}, then give the same command again", markup=False, soft_wrap=True)
    elif bundle is not None:
        console.out.print(
            "verified: copy the folder to leaderboard/submissions/ of the saebench repository and open a pull request "
            f"that adds it and nothing else (status: {bundle.card.status})",
            markup=False,
            soft_wrap=True,
        )


def cost_lines(costs: list[Cost]) -> list[str]:
    """What the open units cost, in words."""
    if not costs:
        return ["nothing to compute: all units are done"]
    lines = []
    for cost in costs:
        if cost.earlier_seconds is not None:
            time = f"about {duration(cost.earlier_seconds)} at the pace of an earlier run here"
        elif cost.pass_seconds is not None:
            time = f"one pass of the model over {cost.tokens:,} tokens takes {duration(cost.pass_seconds)} here"
        else:
            time = "its own texts are counted when it runs"
        note = "" if cost.earlier_seconds is not None else f". It needs: {cost.note}"
        lines.append(f"{cost.label}: {cost.units} subjects to score, controls counted; {time}{note}")
    return lines


def duration(seconds: float) -> str:
    """`40 s`, `12 min` or `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


@app.command("verify", epilog="Example: saebench submit verify submissions/my-sae")
def verify(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Folders, .zip or .tar.gz files.")],
    json: Json = False,
) -> None:
    """Check bundles as a stranger's: every id and every aggregate must follow from what lies beside it.

    Nothing is executed or unpacked, no weights are read, and nothing is written. Exit code 1 where one is refused.
    """
    from saebench.submissions.verifying import verify
    from saebench.verifier import known

    verdicts = [verify(path, known()) for path in paths]
    if json:
        console.print_json([verdict.to_json() for verdict in verdicts])
    _report(verdicts, json)


def _report(verdicts: list[Verdict], json: bool) -> None:
    """Print verdicts.

    Raises:
        SubmissionError: one is a refusal.
    """
    for verdict in verdicts:
        for refusal in verdict.refusals:
            console.print_error(f"{verdict.path}: {refusal}")
        for note in verdict.notes:
            console.err.print(f"note: {verdict.path}: {note}", markup=False, soft_wrap=True)
        if verdict.bundle is not None and not json:
            held = f"{len(verdict.bundle.results)} results follow from their items"
            status = verdict.bundle.card.status
            console.out.print(f"{verdict.path}: accepted, {held}; {status}", markup=False, soft_wrap=True)
    if refused := [verdict.path for verdict in verdicts if not verdict.accepted]:
        raise SubmissionError(f"{len(refused)} of {len(verdicts)} refused: {', '.join(refused)}")


@app.command("accept", epilog="Example: saebench submit accept leaderboard/submissions/* --out results")
def accept(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Folders, .zip or .tar.gz files.")],
    out: Out = Path("results"),
    json: Json = False,
) -> None:
    """Verify bundles and put their results into a results folder, where 'compare' and 'leaderboard build' find them.

    They are self-reported there, and 'saebench run' does not take them for done. Run the suite on the same
    dictionary, accept the bundle again, and what agrees within 1e-5 is reproduced.
    """
    from saebench.submissions.accepting import accept
    from saebench.verifier import known

    outcomes = [accept(path, out, known()) for path in paths]
    if json:
        rows = [
            {**one.verdict.to_json(), "written": len(one.written), "reproduced": one.reproduced} for one in outcomes
        ]
        console.print_json(rows)
    else:
        rows = [
            {"submission": one.verdict.bundle.name, "results": len(one.written), "reproduced": one.reproduced}
            for one in outcomes
            if one.verdict.bundle is not None
        ]
        if rows:
            console.out.print(table(rows))
    _report([one.verdict for one in outcomes], json=True)


@app.command(
    "changed", epilog="Example: git diff --raw -z --no-renames --no-abbrev main...HEAD | saebench submit changed"
)
def changed() -> None:
    """Read a git diff on stdin and print the folder of the one submission that it adds.

    Anything else that it changes, adds or removes is refused: for the check of a pull request.
    """
    from saebench.submissions.changes import HOME, added_submission

    console.out.print(f"{HOME}/{added_submission(sys.stdin.buffer.read())}", markup=False, soft_wrap=True)
