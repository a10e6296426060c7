"""Writing a file so that a reader sees all of it or none of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from saebench.errors import StorageError

PART = ".part"
"""Ending of a file that is being written; the name starts with a dot."""

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Numbers of the system errors of a full disk."""


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` in one step: a killed writer leaves the old file, or none, and a part file beside it.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}-{uuid4().hex[:8]}{PART}")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Inside, a failing disk is reported as `StorageError` about `path`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in NO_ROOM:
            remedy = "free some space and run again: what is finished is kept"
            raise StorageError(f"the disk is full: {reason}", file=path, remedy=remedy) from error
        raise StorageError(f"cannot be written: {reason}", file=path, remedy="choose a folder to write to") from error


def remove_parts(folder: Path) -> None:
    """Remove what killed writers left in `folder`. Call it only while no other process writes there."""
    for part in folder.glob(f".*{PART}"):
        part.unlink(missing_ok=True)
