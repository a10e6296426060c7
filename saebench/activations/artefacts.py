"""What tasks make once and share: probes, pooled activations, answers of the model. Named arrays, on disk, by content.

::

    ROOT/KEY.npz        the arrays; its time is the last use
    ROOT/.locks/        one lock a key

The key is a hash of everything that decides the arrays. Whoever asks second, in this process or another, now or
tomorrow, finds them. A damaged file is made again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from saebench.assets.cache import cache_folder
from saebench.fingerprint import digest
from saebench.results.atomic import remove_parts, write_bytes
from saebench.results.locking import locked

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]

MAX_BYTES = 5_000_000_000
"""The bound where the disk has room for it three times; the least recently used go first."""
LOCKS = ".locks"
WAIT_SECONDS = 86_400.0
"""How long one process waits for another that makes the same artefact."""


class ArtefactStore:
    """Named arrays by key.

    Args:
        root: the folder; default ``artefacts`` in the cache.
        max_bytes: bound on its size; default 5 GB or a third of the free disk, whichever is less.
    """

    def __init__(self, root: Path | None = None, max_bytes: int | None = None) -> None:
        self.root = (root or cache_folder() / "artefacts").absolute()
        self._max_bytes = max_bytes
        self._held: dict[str, Arrays] = {}

    def get(self, identity: Mapping[str, Any], make: Callable[[], Arrays]) -> Arrays:
        """The arrays of this identity, made by `make` where they are not there; do not write into them.

        Args:
            identity: JSON values that decide the arrays.
            make: computes them; numeric, boolean or text arrays only.

        Raises:
            StorageError: the disk is full or the folder cannot be written.
        """
        key = digest(identity)
        if key not in self._held:
            path = self.root / f"{key}.npz"
            arrays = _read(path)
            if arrays is None:
                with locked(self.root / LOCKS, f"{key}.lock", WAIT_SECONDS):
                    arrays = _read(path)
                    if arrays is None:
                        arrays = make()
                        self._write(path, arrays)
            self._held[key] = arrays
        return self._held[key]

    def forget(self) -> None:
        """Let go of what this process holds in memory; the files stay."""
        self._held.clear()

    def _write(self, path: Path, arrays: Arrays) -> None:
        buffer = BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        data = buffer.getvalue()
        self._make_room(len(data))
        write_bytes(path, data)

    def _make_room(self, size: int) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        remove_parts(self.root)
        bound = self._max_bytes or min(MAX_BYTES, shutil.disk_usage(self.root).free // 3)
        files = sorted(self.root.glob("*.npz"), key=lambda file: file.stat().st_mtime)
        held = sum(file.stat().st_size for file in files)
        for file in files:
            if held + size <= bound:
                return
            held -= file.stat().st_size
            file.unlink(missing_ok=True)


def _read(path: Path) -> Arrays | None:
    """The arrays of a file, or None where it is missing or damaged."""
    try:
        with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        os.utime(path)
    except (OSError, ValueError, EOFError, BadZipFile):
        return None
    return arrays
