"""`saebench train ARCH`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saebench.cli import console
from saebench.cli.options import Device, Json, dtype_name, whole_numbers
from saebench.errors import UsageError

EXAMPLE = "Example: saebench train topk --width 4096 --k 16,32,64 --seed 0,1 --tokens 2000000"

DEFAULT_LM = "smollm2-135m-instruct"
DEFAULT_SITE = "blocks.9.hook_resid_post"


def train(
    architecture: Annotated[str, typer.Argument(help="'saebench ls architectures' lists them.")],
    lm: Annotated[
        str, typer.Option("--lm", help="Language model: packaged name, local folder or hub id.")
    ] = DEFAULT_LM,
    site: Annotated[str, typer.Option("--site", help="Site whose activations it learns.")] = DEFAULT_SITE,
    data: Annotated[
        str, typer.Option("--data", help="Corpus: packaged name, a .txt, .jsonl or .parquet file, or hf:NAME.")
    ] = "news",
    corpus_tokens: Annotated[
        int, typer.Option("--corpus-tokens", min=1, help="Tokens of the corpus that are read once and kept.")
    ] = 204_800,
    tokens: Annotated[
        int, typer.Option("--tokens", min=1, help="Training tokens, passes over the corpus counted.")
    ] = 1_024_000,
    width: Annotated[str, typer.Option("--width", help="Latents; several, comma separated, make a sweep.")] = "2048",
    k: Annotated[
        str | None, typer.Option("--k", help="Active latents a token, for TopK kinds; comma separated.")
    ] = None,
    l0: Annotated[str | None, typer.Option("--l0", help="Target L0, for penalty kinds; comma separated.")] = None,
    seed: Annotated[str, typer.Option("--seed", help="Training seeds, comma separated.")] = "0",
    out: Annotated[Path, typer.Option("--out", help="Folder that gets one folder a dictionary.")] = Path(
        "dictionaries"
    ),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what --out holds.")] = False,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Tokens a step.")] = 2048,
    device: Device = "auto",
    dtype: Annotated[
        str, typer.Option("--dtype", help="float32 or bfloat16, of the language model; dictionaries train in float32.")
    ] = "float32",
    json: Json = False,
) -> None:
    """Train a dictionary, or a sweep of them from one pass over the activations."""
    import torch

    from saebench.activations.store import ActivationStore
    from saebench.data.packing import DataSpec
    from saebench.lm.model import load_model
    from saebench.run.training import TrainingJob, members_of, train_on
    from saebench.training import TrainSettings

    if k is not None and l0 is not None:
        raise UsageError("--k and --l0 are two ways to say the same: give one of them")
    name, text = ("k", k) if k is not None else ("l0", l0)
    sparsities = [(name, value) for value in whole_numbers(text, f"--{name}") or ()]
    members = members_of(
        architecture,
        widths=whole_numbers(width, "--width") or (),
        sparsities=sparsities,
        seeds=whole_numbers(seed, "--seed") or (),
    )
    model = load_model(lm, device=device, dtype=getattr(torch, dtype_name(dtype) or dtype))
    job = TrainingJob(
        members,
        site,
        DataSpec(source=data, part="train", tokens=corpus_tokens),
        TrainSettings.for_tokens(tokens, batch_size, device=str(model.device)),
        batch_size=batch_size,
        store_dtype=model.dtype,
    )
    made = train_on(model, ActivationStore(), job, out, resume=resume, progress=console.progress())
    rows = [
        {"name": member, "path": str(out / member), "fingerprint": dictionary.fingerprint()}
        for member, dictionary in made.items()
    ]
    if json:
        console.print_json(rows)
        return
    for row in rows:
        console.out.print(row["path"], markup=False, soft_wrap=True)
