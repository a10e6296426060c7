"""The `saebench` command: its verbs, and how an error becomes an exit code."""

from __future__ import annotations

import errno
import signal
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from saebench.cli import (
    audit,
    check,
    compare,
    console,
    doctor,
    fetch,
    leaderboard,
    ls,
    mlflow,
    nightly,
    plan,
    quickstart,
    run,
    show,
    submit,
    train,
)
from saebench.cli.options import MLFLOW_FROM_OUT
from saebench.errors import SaebenchError

EXIT_CODES = (
    "Exit codes: 0 done; 1 a file, data or check failed; 2 the command line is wrong; 3 regression found; "
    "4 some units failed, the rest is stored; 130 interrupted."
)

app = typer.Typer(
    name="saebench",
    help="Score sparse autoencoders, and the plain baselines they must beat, with the doubt beside every number.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)


INTERRUPTED = 130


def _version(wanted: bool) -> None:
    if wanted:
        console.out.print(version("saebench"))
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Read by `main` before anything runs."""


app.command("quickstart", epilog=quickstart.EXAMPLE)(quickstart.quickstart)
app.command("ls", epilog=ls.EXAMPLE)(ls.ls)
app.command("show", epilog=show.EXAMPLE)(show.show)
app.command("fetch", epilog=fetch.EXAMPLE)(fetch.fetch)
app.command("train", epilog=train.EXAMPLE)(train.train)
app.command("check", epilog=check.EXAMPLE)(check.check)
app.command("plan", epilog=plan.EXAMPLE)(plan.plan)
app.command("run", epilog=run.EXAMPLE)(run.run)
app.command("compare", epilog=compare.EXAMPLE)(compare.compare)
app.command("audit", epilog=audit.EXAMPLE)(audit.audit)
app.command("nightly", epilog=nightly.EXAMPLE)(nightly.nightly)
app.add_typer(leaderboard.app, name="leaderboard")
app.add_typer(submit.app, name="submit")
app.add_typer(mlflow.app, name="mlflow")
app.command("doctor", epilog=doctor.EXAMPLE)(doctor.doctor)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code. Tracebacks are shown with `--debug` only."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        app(args=with_bare_mlflow(words), prog_name="saebench")
    except SaebenchError as error:
        if debug:
            raise
        console.print_error(str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        if debug or error.errno != errno.ENOSPC:
            raise
        console.print_error(f"the disk is full: {error.filename or 'no file named'}; free space and run again")
        sys.exit(1)
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            console.err.print(
                "interrupted; what finished is kept: run it again to go on (train: with --resume; a night begins anew)"
            )
        raise


def with_bare_mlflow(words: list[str]) -> list[str]:
    """`--mlflow` without a URI (which has a colon) means the database under --out."""
    result: list[str] = []
    for place, word in enumerate(words):
        result.append(word)
        follower = words[place + 1] if place + 1 < len(words) else ""
        if word == "--mlflow" and (":" not in follower or follower.startswith("-")):
            result.append(MLFLOW_FROM_OUT)
    return result
