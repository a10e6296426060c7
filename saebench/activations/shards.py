"""One shard: a raw little-endian file of activations, written in one step, checked by SHA-256, read as a mapping."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import numpy as np
import torch
from torch import Tensor

from saebench.fingerprint import file_digest
from saebench.results.atomic import PART

Array = np.ndarray[Any, Any]

STORED: dict[torch.dtype, np.dtype[Any]] = {torch.float32: np.dtype("<f4"), torch.bfloat16: np.dtype("<i2")}
"""Dtype of a tensor to dtype on disk; numpy lacks bfloat16, so that its bits are kept as int16."""


def tensor_dtype(values: Array) -> torch.dtype:
    """The dtype of the tensor that an array in the form on disk stands for."""
    return next(dtype for dtype, stored in STORED.items() if stored == values.dtype)


def as_stored(values: Tensor, dtype: torch.dtype) -> Array:
    """Values rounded to `dtype`, as an array in the form on disk."""
    rounded = values.detach().to("cpu", dtype).contiguous()
    bits = rounded.view(torch.int16) if dtype == torch.bfloat16 else rounded
    return bits.numpy().astype(STORED[dtype], copy=False)


def as_tensor(values: Array) -> Tensor:
    """The inverse of `as_stored`; it shares memory with `values` where the byte order is the machine's."""
    native = torch.from_numpy(values.astype(values.dtype.newbyteorder("="), copy=False))
    return native.view(tensor_dtype(values))


class ShardWriter:
    """A context in which a shard grows batch by batch beside its place; `commit` puts it there in one step.

    What is not committed is removed at the end of the context, and by the next writer when this one was killed.
    """

    def __init__(self, path: Path, dtype: torch.dtype) -> None:
        self._path = path
        self._dtype = dtype
        self._part = path.with_name(f".{path.name}.{os.getpid()}-{uuid4().hex[:8]}{PART}")
        self._hash = hashlib.sha256()

    def __enter__(self) -> Self:
        self._stream = self._part.open("wb")
        return self

    def append(self, values: Tensor) -> None:
        """Write values `[..., width]` at the end, rounded to the dtype of the store."""
        data = as_stored(values, self._dtype).reshape(-1).view(np.uint8).data
        self._stream.write(data)
        self._hash.update(data)

    def commit(self) -> str:
        """Put the shard in its place, safe against a power cut. Returns its SHA-256."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._part.replace(self._path)
        return self._hash.hexdigest()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stream.close()
        finally:
            self._part.unlink(missing_ok=True)


def map_shard(path: Path, dtype: torch.dtype, tokens: int, width: int) -> Array:
    """A read-only mapping `[tokens, width]` of a shard."""
    return np.memmap(path, dtype=STORED[dtype], mode="r", shape=(tokens, width))


def is_sound(path: Path, sha256: str, size: int | None = None) -> bool:
    """Whether a file has this checksum, and this size where one is given. An unchanged file is read once a process."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return False
    if size is not None and state.st_size != size:
        return False
    return _checksum(path, state.st_ino, state.st_mtime_ns, state.st_size) == sha256


@lru_cache(maxsize=65536)
def _checksum(path: Path, inode: int, changed: int, size: int) -> str:
    return file_digest(path)
