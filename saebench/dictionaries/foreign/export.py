"""Writing dictionaries in sae-lens's format, for tools that read that."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as save_tensors
from torch import Tensor

from saebench.dictionaries.autoencoder import SparseAutoencoder
from saebench.dictionaries.checkpoints import dtype_name, validate, write_files
from saebench.dictionaries.contract import Dictionary
from saebench.dictionaries.foreign.normalised import NormalisedDictionary
from saebench.dictionaries.foreign.sae_lens import CONFIG, WEIGHTS
from saebench.errors import CheckpointError


def to_sae_lens(dictionary: Dictionary, folder: Path | str) -> Path:
    """Write a dictionary so that `SAE.load_from_disk(folder)` encodes and decodes as it does.

    ReLU dictionaries become `standard`, TopK `topk`, AbsTopK `abstopk`, gated ones `gated`, and every rule with a
    threshold (JumpReLU, BatchTopK, Matryoshka) `jumprelu`. A preprocessing constant is folded first.

    Raises:
        CheckpointError: sae-lens has no form for it, or the dictionary is not sound.
        StorageError: the disk is full or the folder cannot be written.
    """
    folder = Path(folder)
    normalisation = "none"
    coder = dictionary
    if isinstance(dictionary, NormalisedDictionary):
        normalisation, coder = dictionary.how, dictionary.of
    if not isinstance(coder, SparseAutoencoder):
        raise CheckpointError(f"sae-lens has no form for {type(coder).__name__}", file=folder)
    validate(coder, folder)
    if float(coder.scale) != 1:
        coder = coder.fold()
    architecture, settings, tensors = inference_form(coder, folder)
    config = {
        "architecture": architecture,
        "d_in": coder.d_in,
        "d_sae": coder.d_dict,
        "dtype": dtype_name(tensors["W_dec"]),
        "device": "cpu",
        "apply_b_dec_to_input": coder.composition.encoder.subtract_b_dec,
        "normalize_activations": normalisation,
        "reshape_activations": "none",
        **settings,
        "metadata": metadata_of(dictionary),
    }
    contents = {WEIGHTS: save_tensors(tensors), CONFIG: json.dumps(config, indent=2).encode()}
    return write_files(folder, contents)


def inference_form(coder: SparseAutoencoder, folder: Path) -> tuple[str, dict[str, Any], dict[str, Tensor]]:
    """Architecture, settings and tensors of sae-lens for a folded dictionary.

    Raises:
        CheckpointError: sae-lens has no form for its blocks.
    """
    blocks = coder.composition
    sparsifier = blocks.sparsifier.inference()
    tensors = {name: tensor.cpu().contiguous() for name, tensor in coder.tensors().items()}
    key = (blocks.encoder.kind, sparsifier.score.kind, sparsifier.rule.kind)
    if key == ("gated", "gate", "positive"):
        return "gated", {}, tensors
    if blocks.encoder.kind == "linear":
        tensors.setdefault("b_enc", torch.zeros_like(tensors["W_dec"][:, 0]))
    if key == ("linear", "z", "positive"):
        return "standard", {}, tensors
    budget = {"k": getattr(sparsifier.rule, "k", None), "rescale_acts_by_decoder_norm": False}
    if key == ("linear", "z", "row_topk"):
        return "topk", budget, tensors
    if key == ("linear", "abs", "row_topk"):
        return "abstopk", budget, tensors
    if key in {("linear", score, f"{rule}_threshold") for score in ("z", "z_norm") for rule in ("latent", "scalar")}:
        threshold = tensors["threshold"].expand(coder.d_dict)
        if sparsifier.score.kind == "z_norm":
            threshold = threshold / tensors["W_dec"].norm(dim=1)
        return "jumprelu", {}, {**tensors, "threshold": threshold.contiguous()}
    named = ", ".join(key)
    raise CheckpointError(f"sae-lens has no form for these blocks: {named}", file=folder, field="composition")


def metadata_of(dictionary: Dictionary) -> dict[str, Any]:
    """sae-lens's free-form description: what it said itself where it was the origin, else our provenance."""
    origin = dictionary.provenance
    known = dict(origin.extra) if origin.extra.get("format") == "sae_lens" else {}
    known.pop("format", None)
    ours = {
        "model_name": origin.lm,
        "hook_name": dictionary.sites_in[0] if dictionary.sites_in else None,
        "dataset_path": origin.data,
        "training_architecture": origin.architecture,
        "train_seed": origin.train_seed,
        "training_tokens": origin.tokens,
        "sae_lens_version": version("sae-lens"),
    }
    return {**known, **{name: value for name, value in ours.items() if value is not None}}
