"""Folders of EleutherAI's sparsify: `HOOKPOINT/cfg.json` and `HOOKPOINT/sae.safetensors`.

`W_dec` lies as [n, d] on disk and is used as it lies. The encoder subtracts `b_dec` for every coder that is no
transcoder, whatever `normalize_decoder` says, and applies ReLU before it selects.
"""

from __future__ import annotations

from pathlib import Path

from saebench.dictionaries.contract import Provenance
from saebench.dictionaries.foreign.files import json_values, read_json, read_safetensors, setting_of, tensor_of
from saebench.dictionaries.foreign.sites import sites
from saebench.dictionaries.foreign.weights import Rule, Weights
from saebench.errors import CheckpointError

CONFIG, WEIGHTS = "cfg.json", "sae.safetensors"
RULES: dict[str, Rule] = {"topk": "topk", "groupmax": "groupmax"}


def read(folder: Path) -> Weights:
    """The coder of one hookpoint.

    Raises:
        CheckpointError: a file is missing or damaged, or the coder is a transcoder or has a skip connection.
    """
    config = read_json(folder / CONFIG)
    tensors = read_safetensors(folder / WEIGHTS)
    if config.get("transcode"):
        raise CheckpointError(
            "a transcoder predicts another site than it reads, which nothing here scores yet",
            file=folder / CONFIG,
            field="transcode",
        )
    if config.get("skip_connection") or "W_skip" in tensors:
        raise CheckpointError(
            "a skip connection adds the input itself to the reconstruction, which nothing here scores yet",
            file=folder / CONFIG,
            field="skip_connection",
        )
    activation = config.get("activation", "topk")
    if activation not in RULES:
        remedy = f"known: {', '.join(RULES)}"
        raise CheckpointError(
            f"unknown activation {activation!r}", file=folder / CONFIG, field="activation", remedy=remedy
        )
    k = setting_of(config, "k", int, folder / CONFIG)
    encoder = tensor_of(tensors, "encoder.weight", folder / WEIGHTS)
    if activation == "groupmax" and encoder.shape[0] % k:
        raise CheckpointError(
            f"{encoder.shape[0]} latents do not split into {k} groups", file=folder / CONFIG, field="k"
        )
    return Weights(
        rule=RULES[activation],
        tensors={
            "W_enc": encoder.T,
            "b_enc": tensor_of(tensors, "encoder.bias", folder / WEIGHTS),
            "W_dec": tensor_of(tensors, "W_dec", folder / WEIGHTS),
            "b_dec": tensor_of(tensors, "b_dec", folder / WEIGHTS),
        },
        centred=True,
        source=folder,
        k=k,
        sites=sites(folder.name),
        provenance=Provenance(
            architecture=activation, extra={"format": "sparsify", "hookpoint": folder.name, **json_values(config)}
        ),
    )
