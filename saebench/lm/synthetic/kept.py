"""Arrays of a world that are worth keeping on disk: its directions, and what was measured on it."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from saebench.assets.cache import cache_folder
from saebench.results.atomic import write_bytes
from saebench.results.locking import locked

Arrays = dict[str, np.ndarray[Any, Any]]
FOLDER = "worlds"
WAIT_SECONDS = 86_400.0


def kept_file(key: str) -> Path:
    """Where the arrays of a key lie."""
    return cache_folder() / FOLDER / f"{key}.npz"


def kept(key: str, make: Callable[[], Arrays]) -> Arrays:
    """Named arrays from the cache, made once; a damaged file is made again.

    Raises:
        StorageError: the disk is full or the cache cannot be written.
    """
    path = kept_file(key)
    found = read(path)
    if found is None:
        with locked(path.parent / ".locks", f"{key}.lock", WAIT_SECONDS):
            found = read(path)
            if found is None:
                found = make()
                buffer = BytesIO()
                np.savez(buffer, allow_pickle=False, **found)
                write_bytes(path, buffer.getvalue())
    return found


def read(path: Path) -> Arrays | None:
    """The arrays of a file, or None where it is missing or damaged."""
    try:
        with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, BadZipFile):
        return None
