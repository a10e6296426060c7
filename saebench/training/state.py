"""The state of a training run on disk: everything that a resumed run needs to go on bit-equal."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO, cast
from zipfile import BadZipFile

import torch

from saebench.errors import CheckpointError, ConfigError, StorageError

STATE_FILE = "train_state.pt"
LOG_FILE = "train.jsonl"


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` once the block has ended well, and never half-written.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            yield stream
        Path(temporary).replace(path)
        temporary = None
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def storage_error(path: Path, error: OSError) -> StorageError:
    """What a failed write tells the user."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    reason = "the disk is full" if full else f"it cannot be written: {error.strerror or error}"
    remedy = "free some space and start again with resume: it goes on from the last checkpoint" if full else None
    return StorageError(reason, file=path, remedy=remedy)


class _Writer:
    """A binary file for `torch.save` that remembers the operating system's own error behind torch's."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self.stream.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self.stream.flush()


def save_state(state: Mapping[str, Any], path: Path) -> None:
    """Write a training state atomically.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    with replacing(path) as stream:
        writer = _Writer(stream)
        try:
            torch.save(dict(state), cast(BinaryIO, writer))
        except RuntimeError:
            if writer.error is not None:
                raise writer.error from None
            raise


def load_state(path: Path) -> dict[str, Any]:
    """Read a training state; nothing but tensors and plain values is ever unpickled.

    Raises:
        CheckpointError: the file is damaged or holds something else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError, BadZipFile, KeyError) as error:
        raise CheckpointError(
            "the training state cannot be read",
            file=path,
            remedy="remove the file to train this member from the start",
        ) from error
    if not isinstance(state, dict) or "record" not in state:
        raise CheckpointError("this is no training state", file=path)
    return state


def require_equal(stored: Mapping[str, Any], wanted: Mapping[str, Any], file: Path) -> None:
    """Refuse to go on with a run under other settings than it was started with.

    Raises:
        ConfigError: names the first field that differs and both values.
    """
    for field, before, now in differences(stored, wanted, ""):
        raise ConfigError(
            f"the run was started with {json.dumps(before)}, not with {json.dumps(now)}",
            file=file,
            field=field,
            remedy="use the same settings, or another output folder",
        )


def differences(stored: Any, wanted: Any, field: str) -> Iterator[tuple[str, Any, Any]]:
    """Fields in which two JSON values differ: (dotted name, stored, wanted)."""
    if isinstance(stored, Mapping) and isinstance(wanted, Mapping):
        for key in sorted({*stored, *wanted}):
            yield from differences(stored.get(key), wanted.get(key), f"{field}.{key}" if field else key)
    elif stored != wanted:
        yield field, stored, wanted
