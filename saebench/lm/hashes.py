"""Content hashes of a model's weights and of its tokenizer.

Weights are hashed in the dtype of their file, so that the dtype computed in makes no difference.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np
import torch
from torch import Tensor

from saebench.assets.cache import cache_folder
from saebench.fingerprint import array_digest, digest
from saebench.results.atomic import write_bytes

Array = np.ndarray[Any, Any]


def state_hash(state: Mapping[str, Tensor]) -> str:
    """32 hex digits over names, dtypes, shapes and bytes of tensors: `array_digest` of them.

    Dtypes that numpy lacks (bfloat16) go in as unsigned integers of the same bytes.
    """
    return array_digest(_Arrays(state))


def files_hash(files: Sequence[Path]) -> str:
    """`state_hash` of what a checkpoint's files hold together, however it is spread over them.

    The answer is kept in the cache folder for files of the same place, size and time of change.

    Args:
        files: safetensors files, or PyTorch state dicts (`.bin`) of a model that has only these.

    Raises:
        StorageError: the cache folder cannot be written.
    """
    stats = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(files)]
    note = cache_folder() / "hashes" / "weights" / digest(stats)
    if note.exists():
        return note.read_text(encoding="ascii")
    with ExitStack() as stack:
        found = state_hash(_FileTensors(files, stack))
    write_bytes(note, found.encode("ascii"))
    return found


UNUSED_CONFIG = frozenset(
    {
        "_name_or_path",
        "transformers_version",
        "dtype",
        "torch_dtype",
        "architectures",
        "bos_token_id",
        "eos_token_id",
        "pad_token_id",
        "use_cache",
        "initializer_range",
        "pretraining_tp",
        "chunk_size_feed_forward",
        "is_encoder_decoder",
        "problem_type",
        "id2label",
        "label2id",
        "return_dict",
        "output_attentions",
        "output_hidden_states",
    }
)
"""Entries of a model's configuration that do not change its activations or logits."""


def config_hash(config: Any) -> str:
    """32 hex digits over a Hugging Face model configuration: equal weights compute other things under another one."""
    entries = json.loads(config.to_json_string(use_diff=False))
    return digest({name: value for name, value in entries.items() if name not in UNUSED_CONFIG})


def tokenizer_hash(tokenizer: Any) -> str:
    """32 hex digits over what a tokenizer does with a text.

    A fast tokenizer is hashed by its own serialised form, without padding and truncation, which calls change; any
    other by its vocabulary. The special tokens go in with their ids.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        body: Any = tokenizer.get_vocab()
    else:
        body = {key: part for key, part in json.loads(backend.to_str()).items() if key not in ("padding", "truncation")}
    special = {
        name: [str(token), tokenizer.convert_tokens_to_ids(str(token))]
        for name, token in tokenizer.special_tokens_map.items()
        if isinstance(token, str)
    }
    return digest([type(tokenizer).__name__ if backend is None else "fast", body, special])


class _Arrays(Mapping[str, Array]):
    """Tensors as numpy arrays, one at a time."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors

    def __getitem__(self, name: str) -> Array:
        tensor = self._tensors[name].detach().cpu().contiguous()
        if tensor.dtype.is_floating_point and tensor.dtype not in (torch.float16, torch.float32, torch.float64):
            tensor = tensor.view(torch.uint8 if tensor.itemsize == 1 else torch.uint16)
        array: Array = tensor.numpy()
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


class _FileTensors(Mapping[str, Tensor]):
    """The tensors of some checkpoint files by name, read when asked for."""

    def __init__(self, files: Sequence[Path], stack: ExitStack) -> None:
        from safetensors import safe_open

        self._readers: dict[str, Any] = {}
        for file in files:
            if file.suffix == ".safetensors":
                opened = stack.enter_context(safe_open(file, framework="pt"))
                self._readers.update(dict.fromkeys(opened.keys(), opened.get_tensor))
            else:
                state = torch.load(file, map_location="cpu", mmap=is_zipfile(file), weights_only=True)
                self._readers.update(dict.fromkeys(state, state.__getitem__))

    def __getitem__(self, name: str) -> Tensor:
        tensor: Tensor = self._readers[name](name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)
