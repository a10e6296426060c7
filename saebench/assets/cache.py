"""Where saebench keeps what it can make again: fetched assets and stored activations.

The root is the folder in the environment variable ``SAEBENCH_CACHE``, else the platform's cache folder.
Below it, ``assets/`` holds one folder an asset and ``activations/`` belongs to the activation store.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from saebench.errors import StorageError
from saebench.results.atomic import NO_ROOM

NOT_WRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR})


@dataclass(frozen=True)
class CacheEntry:
    """One thing in the cache: `name` is "assets/news", `bytes` its size on disk."""

    name: str
    path: Path
    bytes: int


def cache_folder() -> Path:
    """The root of the cache: ``SAEBENCH_CACHE`` where it is set, else the platform's cache folder for saebench."""
    chosen = os.environ.get("SAEBENCH_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("saebench")


def cache_entries(root: Path | None = None) -> list[CacheEntry]:
    """What lies in the cache: every second-level folder or file except locks, in the order of their names."""
    root = root or cache_folder()
    if not root.is_dir():
        return []
    found = [
        CacheEntry(f"{room.name}/{entry.name}", entry, size_of(entry))
        for room in root.iterdir()
        if room.is_dir()
        for entry in room.iterdir()
        if entry.suffix != ".lock" and entry.name != ".locks"
    ]
    return sorted(found, key=lambda entry: entry.name)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder. What vanishes while we look counts as nothing."""
    if path.is_symlink() or not path.is_dir():
        try:
            return path.lstat().st_size
        except FileNotFoundError:
            return 0
    try:
        return sum(size_of(child) for child in path.iterdir())
    except FileNotFoundError:
        return 0


@contextmanager
def storage_errors(place: Path) -> Iterator[None]:
    """Turn a full disk or a folder that cannot be written into a `StorageError` that names `place`."""
    try:
        yield
    except OSError as error:
        remedy = "free some space there, or set SAEBENCH_CACHE to a folder on a larger disk"
        if error.errno in NO_ROOM:
            raise StorageError("the disk is full", file=place, remedy=remedy) from error
        if error.errno in NOT_WRITABLE:
            remedy = "make it writable, or set SAEBENCH_CACHE to a folder of yours"
            raise StorageError(
                f"cannot write: {error.strerror}", file=error.filename or place, remedy=remedy
            ) from error
        raise
