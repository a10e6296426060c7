"""Options that several verbs share, so that one thing has one name and one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saebench.errors import UsageError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")]
Out = Annotated[Path, typer.Option("--out", help="Folder that results are written to and read from.")]
Subjects = Annotated[
    list[str] | None,
    typer.Option(
        "--subject",
        help="What to score; repeatable. A folder, or sae_lens:RELEASE/ID, hf:REPO\\[/PATH], dictionary_learning:PATH, "
        "sparsify:PATH, baseline:pca?l0=32, control:random?l0=32, control:permuted?of=SUBJECT, set:A,B,C (dictionaries "
        "that differ in training seed alone; the last part of a path may hold a *), pair:A,B.",
    ),
]
Panels = Annotated[
    list[str] | None,
    typer.Option("--panel", help="A named list of subjects: a YAML file, or a packaged one ('baselines'); repeatable."),
]
Lm = Annotated[
    str | None,
    typer.Option("--lm", help="Language model: packaged name, local folder or hub id. Default: the suite's."),
]
Site = Annotated[
    str | None, typer.Option("--site", help="Site, for dictionaries that do not name theirs: blocks.9.hook_resid_post.")
]
Seeds = Annotated[str | None, typer.Option("--seeds", help="Evaluation seeds, comma separated. Default: the suite's.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Dtype = Annotated[
    str | None,
    typer.Option("--dtype", help="float32 or bfloat16; part of a result's identity. Default: the suite's."),
]
BatchSize = Annotated[
    int | None,
    typer.Option("--batch-size", min=1, help="Rows whose logits exist at once; fewer need less memory."),
]
Executor = Annotated[str, typer.Option("--executor", help="serial: one group after the other in this process.")]
MLFLOW_FROM_OUT = "under --out"
Mlflow = Annotated[
    str | None,
    typer.Option(
        "--mlflow",
        metavar="[URI]",
        help="Log to MLflow when done: to this tracking URI, or without one to a database under --out. Default: "
        "MLFLOW_TRACKING_URI where it is set, else nothing is logged.",
    ),
]


def whole_numbers(text: str | None, flag: str) -> tuple[int, ...] | None:
    """`1,2,3` as numbers, each once.

    Raises:
        UsageError: something else stands there.
    """
    if text is None:
        return None
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise UsageError(f"{flag} takes whole numbers, comma separated: '{text}'") from None


def dtype_name(text: str | None) -> str | None:
    """A dtype that saebench computes in.

    Raises:
        UsageError: another one.
    """
    if text not in {None, "float32", "bfloat16"}:
        raise UsageError(f"--dtype is float32 or bfloat16, not '{text}'")
    return text


def named(subjects: list[str] | None, panels: list[str] | None) -> list[str]:
    """Subjects of `--subject`, then those of each `--panel`.

    Raises:
        UnknownName, ConfigError: a panel that does not exist or does not validate.
    """
    from saebench.run.panel import load_panel

    return [*(subjects or []), *(one for panel in panels or [] for one in load_panel(panel))]
