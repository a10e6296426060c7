"""Folders of dictionary_learning: `trainer_i/ae.pt` (a pickled state dict) and `trainer_i/config.json`.

The class comes from `trainer.dict_class`. Its `load_dictionary` normalises the decoder of an `AutoEncoder`
(and of no other class); this reader does the same, so that codes agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from saebench.dictionaries.contract import Provenance
from saebench.dictionaries.foreign.files import json_values, read_json, read_pickle, setting_of, tensor_of
from saebench.dictionaries.foreign.sites import sites
from saebench.dictionaries.foreign.weights import Weights
from saebench.errors import CheckpointError

CONFIG, WEIGHTS = "config.json", "ae.pt"
TRAINED_BY = {
    "StandardTrainer": "relu",
    "StandardTrainerAprilUpdate": "relu_april",
    "PAnnealTrainer": "p_anneal",
    "GatedSAETrainer": "gated",
    "JumpReluTrainer": "jumprelu",
    "TopKTrainer": "topk",
    "BatchTopKTrainer": "batchtopk",
    "MatryoshkaBatchTopKTrainer": "matryoshka_batchtopk",
}
"""The catalogue's names of what the trainers train."""


def read(folder: Path) -> Weights:
    """The dictionary of one trainer.

    Raises:
        CheckpointError: a file is missing or damaged, the pickle wants more than tensors, or the class is unknown.
    """
    config = setting_of(read_json(folder / CONFIG), "trainer", dict, folder / CONFIG)
    name = setting_of(config, "dict_class", str, folder / CONFIG)
    if name not in CLASSES:
        raise CheckpointError(
            f"no reader for class {name}",
            file=folder / CONFIG,
            field="trainer.dict_class",
            remedy=f"known: {', '.join(sorted(CLASSES))}",
        )
    weights = CLASSES[name](read_pickle(folder / WEIGHTS), config, folder)
    submodule = config.get("submodule_name")
    trainer = str(config.get("trainer_class", name))
    provenance = Provenance(
        architecture=TRAINED_BY.get(trainer, trainer),
        lm=config.get("lm_name"),
        train_seed=config.get("seed"),
        extra={"format": "dictionary_learning", **json_values(config)},
    )
    return replace(weights, sites=sites(submodule if isinstance(submodule, str) else None), provenance=provenance)


def auto_encoder(tensors: Mapping[str, Tensor], config: Mapping[str, Any], folder: Path) -> Weights:
    """`AutoEncoder`: ReLU about one shared bias, atoms brought to unit norm."""
    decoder = tensor_of(tensors, "decoder.weight", folder / WEIGHTS)
    weights = Weights(
        "relu",
        {
            "W_enc": tensor_of(tensors, "encoder.weight", folder / WEIGHTS).T,
            "b_enc": tensor_of(tensors, "encoder.bias", folder / WEIGHTS),
            "W_dec": decoder.T,
            "b_dec": tensor_of(tensors, "bias", folder / WEIGHTS),
        },
        centred=True,
        source=folder,
    )
    norms = decoder.norm(dim=0)
    return weights if torch.allclose(norms, torch.ones_like(norms)) else weights.with_decoder_norms_folded()


def auto_encoder_new(tensors: Mapping[str, Tensor], config: Mapping[str, Any], folder: Path) -> Weights:
    """`AutoEncoderNew`: ReLU without centring, the decoder's own bias, atoms of any norm."""
    return Weights(
        "relu",
        {
            "W_enc": tensor_of(tensors, "encoder.weight", folder / WEIGHTS).T,
            "b_enc": tensor_of(tensors, "encoder.bias", folder / WEIGHTS),
            "W_dec": tensor_of(tensors, "decoder.weight", folder / WEIGHTS).T,
            "b_dec": tensor_of(tensors, "decoder.bias", folder / WEIGHTS),
        },
        centred=False,
        source=folder,
    )


def gated(tensors: Mapping[str, Tensor], config: Mapping[str, Any], folder: Path) -> Weights:
    """`GatedAutoEncoder`."""
    return Weights(
        "gated",
        {
            "W_enc": tensor_of(tensors, "encoder.weight", folder / WEIGHTS).T,
            "W_dec": tensor_of(tensors, "decoder.weight", folder / WEIGHTS).T,
            "b_dec": tensor_of(tensors, "decoder_bias", folder / WEIGHTS),
            "r_mag": tensor_of(tensors, "r_mag", folder / WEIGHTS),
            "b_gate": tensor_of(tensors, "gate_bias", folder / WEIGHTS),
            "b_mag": tensor_of(tensors, "mag_bias", folder / WEIGHTS),
        },
        centred=True,
        source=folder,
    )


def jump_relu(tensors: Mapping[str, Tensor], config: Mapping[str, Any], folder: Path) -> Weights:
    """`JumpReluAutoEncoder`, which never centres when it is read from disk."""
    names = ("W_enc", "b_enc", "W_dec", "b_dec", "threshold")
    return Weights(
        "threshold",
        {name: tensor_of(tensors, name, folder / WEIGHTS) for name in names},
        centred=False,
        source=folder,
    )


def top_k(tensors: Mapping[str, Tensor], config: Mapping[str, Any], folder: Path) -> Weights:
    """`AutoEncoderTopK`: the k largest of a token; its running threshold is not used in `encode`."""
    return Weights("topk", linear(tensors, folder), centred=True, source=folder, k=whole(tensors, "k", config, folder))


def batch_top_k(tensors: Mapping[str, Tensor], config: Mapping[str, Any], folder: Path) -> Weights:
    """`BatchTopKSAE`: one threshold for all latents."""
    named = linear(tensors, folder)
    return Weights("threshold", with_threshold(named, tensors, folder), centred=True, source=folder)


def matryoshka(tensors: Mapping[str, Tensor], config: Mapping[str, Any], folder: Path) -> Weights:
    """`MatryoshkaBatchTopKSAE`: one threshold, latents in nested groups."""
    names = ("W_enc", "b_enc", "W_dec", "b_dec")
    named = {name: tensor_of(tensors, name, folder / WEIGHTS) for name in names}
    groups = tensor_of(tensors, "group_sizes", folder / WEIGHTS)
    return Weights(
        "threshold",
        with_threshold(named, tensors, folder),
        centred=True,
        source=folder,
        prefixes=tuple(int(size) for size in groups.cumsum(0)),
    )


def linear(tensors: Mapping[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """Tensors of the classes that hold two `nn.Linear` and a `b_dec`."""
    return {
        "W_enc": tensor_of(tensors, "encoder.weight", folder / WEIGHTS).T,
        "b_enc": tensor_of(tensors, "encoder.bias", folder / WEIGHTS),
        "W_dec": tensor_of(tensors, "decoder.weight", folder / WEIGHTS).T,
        "b_dec": tensor_of(tensors, "b_dec", folder / WEIGHTS),
    }


def with_threshold(named: dict[str, Tensor], tensors: Mapping[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """The scalar inference threshold spread over the latents.

    Raises:
        CheckpointError: training stopped before the threshold was first set (it is still -1).
    """
    threshold = float(tensor_of(tensors, "threshold", folder / WEIGHTS))
    if threshold < 0:
        raise CheckpointError(
            f"the inference threshold was never set (it is {threshold:g}): every positive code would pass",
            file=folder / WEIGHTS,
            field="threshold",
            remedy="train past threshold_start_step, or take a later checkpoint",
        )
    return {**named, "threshold": torch.full_like(named["b_enc"], threshold)}


def whole(tensors: Mapping[str, Tensor], name: str, config: Mapping[str, Any], folder: Path) -> int:
    """An integer that stands in the configuration, and in the state dict of newer versions.

    Raises:
        CheckpointError: it is missing, or the two disagree.
    """
    stated: int = setting_of(config, name, int, folder / CONFIG)
    if name in tensors and int(tensors[name]) != stated:
        raise CheckpointError(
            f"is {stated} here and {int(tensors[name])} in {WEIGHTS}", file=folder / CONFIG, field=name
        )
    return stated


Reader = Callable[[Mapping[str, Tensor], Mapping[str, Any], Path], Weights]
CLASSES: dict[str, Reader] = {
    "AutoEncoder": auto_encoder,
    "AutoEncoderNew": auto_encoder_new,
    "GatedAutoEncoder": gated,
    "JumpReluAutoEncoder": jump_relu,
    "AutoEncoderTopK": top_k,
    "BatchTopKSAE": batch_top_k,
    "MatryoshkaBatchTopKSAE": matryoshka,
}
