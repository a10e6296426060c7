"""Content hashes: the one way in which saebench names a thing by what it holds.

`canonical_json` is JSON with sorted keys, no spaces and no NaN; `digest` is the first 32 hex digits
of its SHA-256; `array_digest` covers dtype, shape and bytes of arrays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

DIGITS = 32


def canonical_json(value: object) -> str:
    """JSON text that is equal for equal values, whatever the order of keys.

    Raises:
        ValueError: the value holds NaN or an infinity.
        TypeError: the value holds something that JSON has no form for.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def digest(value: object) -> str:
    """32 hex digits of SHA-256 over the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:DIGITS]


def array_digest(arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
    """32 hex digits over names, dtypes, shapes and bytes of arrays, in the order of their names."""
    state = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        state.update(canonical_json([name, array.dtype.str, list(array.shape)]).encode())
        state.update(array.reshape(-1).view(np.uint8).data)
    return state.hexdigest()[:DIGITS]


def file_digest(path: Path) -> str:
    """The whole SHA-256 of a file, 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
