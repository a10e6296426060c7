"""SAEs of sae-lens: folders (`cfg.json`, `sae_weights.safetensors`), releases on the hub, and live objects.

Folders are read without importing sae-lens. Configurations of versions before 6 are understood as sae-lens understands
them. `W_dec` norms that a TopK rescales by, and a scale that training put on the input, are folded at load.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from saebench.dictionaries.contract import Dictionary, Provenance
from saebench.dictionaries.foreign.assemble import assemble
from saebench.dictionaries.foreign.files import (
    json_values,
    read_json,
    read_safetensors,
    setting_of,
    tensor_of,
    widened,
)
from saebench.dictionaries.foreign.normalised import CONSTANT_NORM, LAYER_NORM, NormalisedDictionary
from saebench.dictionaries.foreign.sites import sites
from saebench.dictionaries.foreign.weights import VECTORS, Rule, Weights
from saebench.errors import CheckpointError, UnknownName, first_line
from saebench.registry import near_misses

CONFIG, WEIGHTS, SCALER = "cfg.json", "sae_weights.safetensors", "activation_scaler.json"
RULES: dict[str, Rule] = {
    "standard": "relu",
    "gated": "gated",
    "topk": "topk",
    "abstopk": "abstopk",
    "jumprelu": "threshold",
    "batchtopk": "threshold",
    "matryoshka_batchtopk": "threshold",
}
REFUSED = {
    "transcoder": "it predicts another site than it reads",
    "skip_transcoder": "it predicts another site than it reads",
    "jumprelu_transcoder": "it predicts another site than it reads",
    "jumprelu_skip_transcoder": "it predicts another site than it reads",
    "temporal": "its codes of a token depend on the whole sequence",
    "matching_pursuit": "it encodes by pursuit, for which there is no block yet",
}
OLD_NAMES = {
    "hook_point": "hook_name",
    "hook_point_head_index": "hook_head_index",
    "activation_fn_str": "activation_fn",
}
"""Fields of configurations before version 6, with their present names."""


def read(folder: Path) -> Dictionary:
    """The SAE of a folder.

    Raises:
        CheckpointError: a file is missing or damaged, the architecture has no form here, or the input scale that the
            SAE was trained with is not known.
    """
    config = read_json(folder / CONFIG)
    scale = config.get("norm_scaling_factor")
    if scale is None and (folder / SCALER).is_file():
        scale = read_json(folder / SCALER).get("scaling_factor")
    return build(config, read_safetensors(folder / WEIGHTS), folder, scale)


def from_object(sae: Any) -> Dictionary:
    """A live SAE of sae-lens, copied.

    Raises:
        CheckpointError: as for `read`.
    """
    config = sae.cfg.to_dict()
    tensors = {name: widened(tensor.detach().cpu()) for name, tensor in sae.state_dict().items()}
    return build(config, tensors, f"sae_lens {type(sae).__name__}", None)


def from_release(name: str) -> Dictionary:
    """`RELEASE/ID` of sae-lens's list of releases, or `OWNER/REPOSITORY/ID` of the hub, downloaded once.

    Raises:
        UnknownName: the release or the id is not in the list.
        CheckpointError: the download failed, or as for `read`.
    """
    import httpx
    from sae_lens import SAE
    from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory

    releases = get_pretrained_saes_directory()
    release, _, identity = name.partition("/")
    if release not in releases:
        owner, _, rest = identity.partition("/")
        if not rest:
            remedy = "A folder on disk works too; so does OWNER/REPOSITORY/ID."
            raise UnknownName("sae-lens release", release, near_misses(release, releases), [], remedy)
        release, identity = f"{release}/{owner}", rest
    elif identity not in releases[release].saes_map:
        known = releases[release].saes_map
        raise UnknownName(f"SAE of release {release}", identity, near_misses(identity, known), sorted(known)[:12])
    try:
        sae = SAE.from_pretrained(release, identity)
    except (OSError, ValueError, httpx.HTTPError) as error:
        raise CheckpointError(
            f"cannot be downloaded: {first_line(error)}",
            file=f"sae_lens:{name}",
            remedy="check the network, or point to a folder that holds cfg.json and sae_weights.safetensors",
        ) from error
    return from_object(sae)


def build(config: Mapping[str, Any], tensors: Mapping[str, Tensor], source: Path | str, scale: Any) -> Dictionary:
    """A dictionary from a configuration and a state dict.

    Args:
        scale: what the input was multiplied by in training, where it is known and not folded.

    Raises:
        CheckpointError: see `read`.
    """
    config = modern(config)
    weights = weights_of(config, tensors, source)
    how = config.get("normalize_activations") or "none"
    if how == "expected_average_only_in":
        if scale is None:
            raise CheckpointError(
                "the SAE was trained on scaled activations, and the scale is neither folded nor stored",
                file=source,
                field="normalize_activations",
                remedy=f"fold it with fold_activation_norm_scaling_factor, or put {SCALER} beside the weights",
            )
        weights = weights.with_input_scale_folded(float(scale))
    dictionary = assemble(weights)
    if how in (LAYER_NORM, CONSTANT_NORM):
        return NormalisedDictionary(dictionary, how, provenance=weights.provenance)
    if how not in ("none", "expected_average_only_in"):
        raise CheckpointError(
            f"{how!r} is not folded into the weights",
            file=source,
            field="normalize_activations",
            remedy="save the inference model at the end of training, which folds it",
        )
    return dictionary


def modern(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration of any version, in the present layout: settings above, the rest under `metadata`."""
    if config.get("metadata"):
        return dict(config)
    named = {OLD_NAMES.get(name, name): value for name, value in config.items()}
    arguments = named.get("activation_fn_kwargs") or {}
    if named.get("activation_fn") == "topk" and "k" in arguments:
        named |= {"architecture": "topk", "k": arguments["k"]}
    if isinstance(named.get("normalize_activations"), bool):
        named["normalize_activations"] = "expected_average_only_in" if named["normalize_activations"] else "none"
    named.setdefault("architecture", "standard")
    return {**named, "metadata": named}


def weights_of(config: Mapping[str, Any], tensors: Mapping[str, Tensor], source: Path | str) -> Weights:
    """Weights with decoder norms folded where the SAE rescales by them.

    Raises:
        CheckpointError: the architecture has no form here, or a tensor or setting is missing.
    """
    architecture = setting_of(config, "architecture", str, source)
    if architecture not in RULES:
        reason = REFUSED.get(architecture, f"known architectures: {', '.join(RULES)}")
        raise CheckpointError(f"{architecture!r} has no form here: {reason}", file=source, field="architecture")
    rule = RULES[architecture]
    factor = tensors.get("scaling_factor")
    if factor is not None and not torch.allclose(factor, torch.ones_like(factor)):
        raise CheckpointError("finetuned scaling of codes has no form here", file=source, field="scaling_factor")
    rescales = bool(config.get("rescale_acts_by_decoder_norm"))
    named = {
        name: tensor_of(tensors, name, source)
        for name in ("W_enc", "W_dec", "b_dec", *VECTORS[rule])
        if name != "threshold" or architecture == "jumprelu"
    }
    if rule == "threshold" and architecture != "jumprelu":
        named["threshold"] = torch.zeros_like(named["b_enc"])
    metadata = config.get("metadata") or {}
    hook = metadata.get("hook_name")
    weights = Weights(
        rule=rule,
        tensors=named,
        centred=bool(config.get("apply_b_dec_to_input", True)),
        source=source,
        k=setting_of(config, "k", int, source) if rule in ("topk", "abstopk") else None,
        prefixes=matryoshka_widths(config, metadata),
        sites=sites(hook),
        provenance=provenance_of(config, metadata, architecture),
    )
    if rescales:
        weights = weights.with_decoder_norms_folded()
    if rule == "threshold" and architecture != "jumprelu":
        threshold = float(tensor_of(tensors, "topk_threshold", source))
        weights = replace(weights, tensors={**weights.tensors, "threshold": torch.full_like(named["b_enc"], threshold)})
    return weights


def matryoshka_widths(config: Mapping[str, Any], metadata: Mapping[str, Any]) -> tuple[int, ...]:
    """Sizes of nested prefixes, which an SAE saved for inference keeps among the details of its training."""
    details = metadata.get("training_architecture_details") or {}
    return tuple(config.get("matryoshka_widths") or details.get("matryoshka_widths") or ())


def provenance_of(config: Mapping[str, Any], metadata: Mapping[str, Any], architecture: str) -> Provenance:
    """What the configuration says about where the SAE comes from."""
    trained = str(metadata.get("training_architecture") or architecture)
    return Provenance(
        architecture="relu" if trained == "standard" else trained,
        lm=metadata.get("model_name"),
        data=metadata.get("dataset_path"),
        extra={"format": "sae_lens", **json_values(metadata)},
    )
