"""Dictionaries on disk: a folder of `config.json` and `weights.safetensors`.

`config.json` holds the recipe (what changes `encode` and `decode`), the composition that it was trained with, sites,
provenance, and dtype and shape of every tensor. `weights.safetensors` holds the tensors under the field's names:
`W_enc` `[d_in, d_dict]`, `W_dec` `[d_dict, d_in]`, `b_enc`, `b_dec`, `threshold`, `r_mag`, `b_gate`, `b_mag`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from saebench.dictionaries.autoencoder import SparseAutoencoder
from saebench.dictionaries.blocks.composition import Composition
from saebench.dictionaries.contract import Dictionary, Provenance
from saebench.dictionaries.fixed import KINDS, FixedDictionary
from saebench.errors import CheckpointError, CompositionError, UnknownName
from saebench.results.atomic import storage_errors, write_bytes

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"
SCHEMA_VERSION = 1
RETRAIN = "take an earlier checkpoint, or train again"


class TensorEntry(BaseModel):
    """What `config.json` says about one tensor."""

    dtype: str
    shape: list[int]


class CheckpointConfig(BaseModel):
    """The content of `config.json`."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = 1
    recipe: dict[str, Any]
    """What changes `encode` and `decode`; `kind` says which class reads it."""
    training: dict[str, Any] | None = None
    """The composition with which it was trained."""
    sites: list[str]
    provenance: dict[str, Any]
    tensors: dict[str, TensorEntry]


def save(dictionary: SparseAutoencoder | FixedDictionary, folder: Path | str) -> Path:
    """Write a dictionary; the folder is made if need be, and only its two files are replaced.

    Raises:
        CheckpointError: the dictionary is not sound.
        StorageError: the disk is full or the folder cannot be written.
    """
    folder = Path(folder)
    validate(dictionary, folder)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in dictionary.tensors().items()}
    config = CheckpointConfig(
        recipe=dictionary.recipe(),
        training=dictionary.training_config if isinstance(dictionary, SparseAutoencoder) else None,
        sites=list(dictionary.sites_in),
        provenance=dictionary.provenance.to_json(),
        tensors={name: TensorEntry(dtype=dtype_name(t), shape=list(t.shape)) for name, t in tensors.items()},
    )
    text = json.dumps(config.model_dump(), indent=2, ensure_ascii=False, allow_nan=False)
    return write_files(folder, {WEIGHTS_FILE: save_tensors(tensors), CONFIG_FILE: text.encode()})


def write_files(folder: Path, contents: Mapping[str, bytes]) -> Path:
    """Write files into a folder, in order; the last one is removed first, so that it vouches for the others.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    *_, last = contents
    with storage_errors(folder / last):
        (folder / last).unlink(missing_ok=True)
    for name, content in contents.items():
        write_bytes(folder / name, content)
    return folder


def load(folder: Path | str) -> Dictionary:
    """Read a dictionary that `save` wrote.

    Raises:
        CheckpointError: a file is missing, damaged or of a newer schema, a block is unknown, or a tensor is not sound.
    """
    folder = Path(folder)
    config = _read_config(folder / CONFIG_FILE)
    tensors = _read_tensors(folder / WEIGHTS_FILE, config.tensors)
    provenance = Provenance.from_json(config.provenance)
    dictionary = restore(config.recipe, tensors, tuple(config.sites), provenance, source=folder)
    if isinstance(dictionary, SparseAutoencoder):
        dictionary.training_config = config.training
    validate(dictionary, folder)
    return dictionary


def restore(
    recipe: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    sites: tuple[str, ...],
    provenance: Provenance,
    *,
    source: Path | str,
) -> Dictionary:
    """The dictionary that `recipe()` and `tensors()` came from.

    Raises:
        CheckpointError: the recipe is not understood, or does not fit the tensors.
    """
    make = _autoencoder if recipe.get("kind") == "autoencoder" else _fixed
    return make(Path(source), recipe, tensors, sites, provenance)


def validate(dictionary: Dictionary, source: Path | str | None = None) -> None:
    """Refuse a dictionary that cannot be scored.

    Args:
        source: file or folder for the message.

    Raises:
        CheckpointError: a tensor holds NaN or an infinity, an atom is zero, or atoms have a wrong shape.
    """
    for name, tensor in dictionary.tensors().items():
        if not tensor.is_floating_point():
            continue
        bad = int((~tensor.isfinite()).sum())
        if bad:
            unset = name == "threshold" and bad == tensor.numel() == 1
            message = "was never set in training" if unset else f"{bad} of {tensor.numel()} values are NaN or infinite"
            raise CheckpointError(message, file=source, field=name, remedy=RETRAIN)
    atoms = dictionary.atoms
    if atoms is None:
        return
    if atoms.shape != (dictionary.d_dict, dictionary.d_out):
        expected = (dictionary.d_dict, dictionary.d_out)
        raise CheckpointError(f"atoms are {tuple(atoms.shape)}, not {expected}", file=source, field="W_dec")
    empty = (atoms == 0).all(1).nonzero().flatten().tolist()
    if empty:
        raise CheckpointError(
            f"{len(empty)} decoder rows are all zero, the first is {empty[0]}",
            file=source,
            field="W_dec",
            remedy="remove these latents from every tensor, or train again",
        )


def _read_config(path: Path) -> CheckpointConfig:
    raw = _parse(path)
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise CheckpointError(
            f"schema version {version} is newer than {SCHEMA_VERSION}",
            file=path,
            field="schema_version",
            remedy="update saebench",
        )
    try:
        return CheckpointConfig.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or None
        raise CheckpointError(first["msg"], file=path, field=where, remedy="this is no saebench checkpoint") from error


def _parse(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            "no such file", file=path, remedy="name a folder that holds config.json and weights.safetensors"
        ) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"cannot be read: {error}", file=path, remedy=RETRAIN) from error


def _read_tensors(path: Path, entries: Mapping[str, TensorEntry]) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_tensors(path.read_bytes())
    except FileNotFoundError as error:
        raise CheckpointError("no such file", file=path, remedy="copy it beside config.json") from error
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"damaged or cut short: {error}", file=path, remedy="copy the file again") from error
    for name in sorted(set(tensors) ^ set(entries)):
        where = "config.json" if name in tensors else WEIGHTS_FILE
        raise CheckpointError(f"tensor is absent from {where}", file=path, field=name, remedy=RETRAIN)
    for name, entry in entries.items():
        found = TensorEntry(dtype=dtype_name(tensors[name]), shape=list(tensors[name].shape))
        if found != entry:
            raise CheckpointError(
                f"is {found.dtype} {found.shape}, but config.json says {entry.dtype} {entry.shape}",
                file=path,
                field=name,
                remedy="the two files belong to different checkpoints",
            )
    return tensors


def _autoencoder(
    folder: Path,
    recipe: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    sites: tuple[str, ...],
    provenance: Provenance,
) -> SparseAutoencoder:
    given = dict(recipe)
    try:
        del given["kind"]
        d_in, d_dict, scale = int(given.pop("d_in")), int(given.pop("d_dict")), float(given.pop("scale"))
        composition = Composition.from_config({"architecture": provenance.architecture, **given})
        dictionary = SparseAutoencoder(composition, d_in, d_dict, sites=sites, provenance=provenance)
    except KeyError as error:
        raise CheckpointError("is missing", file=folder / CONFIG_FILE, field=f"recipe.{error.args[0]}") from error
    except (TypeError, ValueError) as error:
        raise CheckpointError(str(error), file=folder / CONFIG_FILE, field="recipe") from error
    except (CompositionError, UnknownName) as error:
        raise CheckpointError(str(error), file=folder / CONFIG_FILE, field="recipe") from error
    dictionary.training_config = None
    expected = dictionary.tensors()
    for name in sorted(set(tensors) ^ set(expected)):
        problem = "is not used by these blocks" if name in tensors else "is missing"
        raise CheckpointError(problem, file=folder / WEIGHTS_FILE, field=name, remedy="the recipe names other blocks")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise CheckpointError(
                f"has shape {list(tensor.shape)}, but d_in = {d_in} and d_dict = {d_dict} need "
                f"{list(expected[name].shape)}",
                file=folder / WEIGHTS_FILE,
                field=name,
            )
    dictionary.to("cpu", tensors["W_dec"].dtype)
    with torch.no_grad():
        for name, tensor in tensors.items():
            expected_now = dictionary.weights()[name]
            expected_now.copy_(tensor.T if name == "W_enc" else tensor)
        dictionary.scale.fill_(scale)
    return dictionary


def _fixed(
    folder: Path,
    recipe: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    sites: tuple[str, ...],
    provenance: Provenance,
) -> FixedDictionary:
    settings = dict(recipe)
    try:
        cls = KINDS.get(str(settings.pop("kind", None)))
        return cls.rebuild(settings, tensors, sites, provenance)
    except (UnknownName, TypeError) as error:
        raise CheckpointError(str(error), file=folder / CONFIG_FILE, field="recipe") from error


def dtype_name(tensor: Tensor) -> str:
    """The short name of a tensor's dtype ("float32")."""
    return str(tensor.dtype).removeprefix("torch.")
