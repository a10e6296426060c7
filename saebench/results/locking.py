"""One writer at a time in a results folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from saebench.errors import StorageError
from saebench.results.atomic import storage_errors

SECONDS = 120.0


@contextmanager
def locked(folder: Path, name: str = ".lock", seconds: float = SECONDS) -> Iterator[None]:
    """Hold the lock `name` of a folder; a killed holder's lock is free at once.

    Raises:
        StorageError: the folder cannot be written, or another process holds the lock for `seconds`.
    """
    lock = FileLock(folder / name, timeout=seconds)
    try:
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
    except Timeout as error:
        raise StorageError(
            f"another process has held the lock for {seconds:.0f} s",
            file=folder / name,
            remedy="wait for it or end it, or write to another folder",
        ) from error
    try:
        yield
    finally:
        lock.release()
