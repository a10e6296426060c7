"""From a name to a causal model and its tokenizer: packaged, local folder or hub."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from saebench.errors import InputError, StorageError, UnknownName, UsageError, first_line
from saebench.lm import LMS
from saebench.lm.families import FAMILIES
from saebench.lm.hashes import files_hash
from saebench.lm.synthetic.presets import PRESETS
from saebench.progress import Progress
from saebench.registry import near_misses
from saebench.results.atomic import NO_ROOM


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
        InputError: the name is a path without a folder, or a hub id that cannot be reached.
        AssetError: the packaged model cannot be fetched.
    """
    if name in LMS:
        folder = LMS.get(name).folder(progress)
        said = folder / "saebench.json"
        told = json.loads(said.read_text(encoding="utf-8")) if said.exists() else {}
        return Source(str(folder), told.get("name", name), told.get("weights_hash"))
    path = Path(name).expanduser()
    if name and path.is_dir():
        return Source(str(path), path.resolve().name)
    if name.startswith((".", "~", os.sep)) or path.is_absolute() or name.count("/") > 1 or (name and path.exists()):
        raise InputError(
            "there is no such folder", file=name, remedy="give a Hugging Face folder with config.json and weights"
        )
    misses = near_misses(name, dict.fromkeys([*LMS, *(PRESETS.get(one).reference for one in PRESETS)]))
    if "/" not in name and misses:
        raise UnknownName(LMS.kind, name, misses, LMS.names(), LMS.remedy)
    reason = _why_not_on_hub(name)
    if reason is None:
        return Source(name, name)
    if "/" not in name:
        raise UnknownName(LMS.kind, name, (), LMS.names(), f"{LMS.remedy} (the hub was asked: {reason})")
    raise InputError(
        f"no local folder, and not a hub repository that can be read: {reason}",
        file=name,
        remedy=f"check the spelling, the network and your access, or take a packaged model: {', '.join(LMS)}",
    )


def _why_not_on_hub(name: str) -> str | None:
    """None when a hub repository of this name is cached or answers; else what went wrong, without retries."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError

    # The bases are OSError and the error of the HTTP library that this version of the hub's client uses.
    expected: tuple[type[Exception], ...] = (ValueError, *HfHubHTTPError.__bases__)
    try:
        if not isinstance(try_to_load_from_cache(name, "config.json"), str):
            get_hf_file_metadata(hf_hub_url(name, "config.json"))
    except expected as error:
        return first_line(error)
    return None


def load_parts(source: Source, dtype: torch.dtype) -> tuple[Any, Any, str]:
    """The causal model on the CPU, its tokenizer, and the hash of its weights.

    Attention is computed by `scaled_dot_product_attention` where the model supports that, as transformers decides.

    Raises:
        UnknownName: the family has no table of sites.
        InputError: something cannot be read, or weights are missing.
        StorageError: the disk is full.
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
    """Turn what transformers raises about a bad folder or repository into one `InputError`.

    Reading a local folder shows no bar; a download does.
    """
    from safetensors import SafetensorError
    from transformers.utils import logging

    local = Path(source.where).is_dir()
    bars = logging.is_progress_bar_enabled()
    if local:
        logging.disable_progress_bar()
    try:
        yield
    except (OSError, EOFError, ValueError, KeyError, RuntimeError, SafetensorError, UnpicklingError) as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise StorageError(
                "the disk is full", file=source.where, remedy="free some space, or set HF_HOME"
            ) from error
        raise InputError(
            f"cannot be loaded as a causal language model: {first_line(error)}",
            file=source.where,
            remedy="expected config.json, tokenizer files and whole weights, in safetensors if possible",
        ) from error
    finally:
        if local and bars:
            logging.enable_progress_bar()
