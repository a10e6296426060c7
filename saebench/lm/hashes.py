"""Content hashes of a model's weights and of its tokenizer.

Weights are hashed in the dtype of their file, so that the dtype computed in makes no difference.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saebench.assets.cache import cache_folder
from saebench.errors import InputError, StorageError
from saebench.fingerprint import array_digest, digest


def state_hash(state: Mapping[str, Tensor]) -> str:
    """32 hex digits over names, dtypes, shapes and bytes of tensors in memory."""
    return array_digest({name: _as_array(tensor) for name, tensor in state.items()})


def files_hash(files: Sequence[Path]) -> str:
    """`state_hash` of what a checkpoint's files hold together, however it is spread over them.

    The answer is kept in the cache folder for files of the same size and time of change.

    Args:
        files: safetensors files, or PyTorch state dicts where a model has only these.

    Raises:
        InputError: a file is damaged.
        StorageError: the cache folder cannot be written.
    """
    stamp = digest([[str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns] for file in sorted(files)])
    note = cache_folder() / "hashes" / f"{stamp}.txt"
    if note.exists():
        return note.read_text()
    found = state_hash(_tensors(files))
    _write(note, found)
    return found
