"""From a name to a causal model and its tokenizer: packaged, local folder or hub."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from saebench.errors import InputError, UnknownName, UsageError
from saebench.lm import LMS
from saebench.lm.families import FAMILIES
from saebench.lm.hashes import files_hash
from saebench.progress import Progress
from saebench.registry import near_misses


@dataclass(frozen=True)
class Source:
    """Where a model is.

    Attributes:
        where: local folder, or hub id.
        display_name: how results call the model.
        weights_hash: where it is pinned already.
    """

    where: str
    display_name: str
    weights_hash: str | None = None


def choose_device(name: str) -> torch.device:
    """The device called `name`; "auto" takes CUDA, else MPS, else CPU.

    Raises:
        UsageError: there is no such device here.
    """
    usable = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in usable.items() if there))
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"'{name}' is no device: take auto, cpu, cuda, cuda:N or mps") from error
    here = ", ".join(kind for kind, there in usable.items() if there)
    if not usable.get(device.type, False):
        raise UsageError(f"device '{name}' is not available here (available: {here})")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"device '{name}' is not available here: there are {torch.cuda.device_count()} CUDA devices")
    return device


def locate(name: str, progress: Progress) -> Source:
    """What `name` means: a packaged model, else a local folder, else a hub id.

    Raises:
        UnknownName: the name looks like a packaged model's.
        InputError: the name is a path and there is no such folder.
        AssetError: the packaged model cannot be fetched.
    """
    if name in LMS:
        folder = LMS.get(name).folder(progress)
        said = folder / "saebench.json"
        told = json.loads(said.read_text(encoding="utf-8")) if said.exists() else {}
        return Source(str(folder), told.get("name", name), told.get("weights_hash"))
    path = Path(name).expanduser()
    if path.is_dir():
        return Source(str(path), path.resolve().name)
    is_path = name.startswith((".", "~", os.sep)) or path.is_absolute() or name.count("/") > 1 or path.exists()
    if is_path:
        raise InputError(
            "there is no such folder", file=name, remedy="give a Hugging Face folder with config.json and weights"
        )
    misses = near_misses(name, {known: None for known in LMS})
    if misses and "/" not in name:
        raise UnknownName(LMS.kind, name, misses, LMS.names(), LMS.remedy)
    return Source(name, name)


def load_parts(source: Source, dtype: torch.dtype) -> tuple[Any, Any, str]:
    """The causal model on the CPU, its tokenizer, and the hash of its weights.

    Attention is computed by `scaled_dot_product_attention` where the model supports that, as transformers decides.

    Raises:
        UnknownName: the family has no table of sites.
        InputError: something cannot be read, or weights are missing.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    where = source.where
    with _readable(source):
        config = AutoConfig.from_pretrained(where, trust_remote_code=False)
    FAMILIES.get(config.model_type)
    with _readable(source):
        tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=False)
        hf, info = AutoModelForCausalLM.from_pretrained(
            where, config=config, dtype=dtype, trust_remote_code=False, output_loading_info=True
        )
    missing = sorted(info["missing_keys"])
    if missing:
        raise InputError(
            f"{len(missing)} weights are missing, the first is {missing[0]}",
            file=where,
            remedy="the files do not belong to this config.json, or are not complete",
        )
    if source.weights_hash is not None:
        return hf, tokenizer, source.weights_hash
    with _readable(source):
        return hf, tokenizer, files_hash(_weight_files(where))


def _weight_files(where: str) -> list[Path]:
    """The files that hold the weights, by the order of preference of transformers."""
    from transformers.utils import cached_file

    folder = Path(str(cached_file(where, "config.json", local_files_only=True))).parent
    for whole in ("model.safetensors", "pytorch_model.bin"):
        if (folder / whole).exists():
            return [folder / whole]
        index = folder / f"{whole}.index.json"
        if index.exists():
            shards = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
            return sorted({folder / shard for shard in shards})
    raise InputError("no weights found", file=folder, remedy="expected model.safetensors or pytorch_model.bin")


@contextmanager
def _readable(source: Source) -> Iterator[None]:
    """Turn what transformers raises about a bad folder, or a hub out of reach, into one `InputError`."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if Path(source.where).is_dir():
            raise InputError(
                f"cannot be loaded as a causal language model: {reason}",
                file=source.where,
                remedy="give a Hugging Face folder with config.json, tokenizer files and whole weights",
            ) from error
        raise InputError(
            f"no packaged model, no local folder and no hub repository that can be read has this name: {reason}",
            file=source.where,
            remedy=f"packaged: {', '.join(LMS)}; for a hub id check the spelling, the network and your access",
        ) from error
