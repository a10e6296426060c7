"""The rows of an entry on disk: token ids, mask and documents as npy files, the rest as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np

from saebench.activations.shards import is_sound
from saebench.data.packing import PackedRows
from saebench.fingerprint import canonical_json, file_digest
from saebench.results.atomic import write_bytes

ARRAYS = ("tokens", "mask", "documents")
TEXT = ("name", "licence", "fingerprint", "document_ids", "document_hashes", "packing", "mask_rule")
FILES = ("rows.json", *(f"{name}.npy" for name in ARRAYS))


def write_rows(folder: Path, rows: PackedRows) -> dict[str, str]:
    """Write the files of `rows`; returns the SHA-256 of each, by its name.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    write_bytes(folder / "rows.json", canonical_json({name: getattr(rows, name) for name in TEXT}).encode())
    for name in ARRAYS:
        buffer = BytesIO()
        np.save(buffer, getattr(rows, name), allow_pickle=False)
        write_bytes(folder / f"{name}.npy", buffer.getvalue())
    return {name: file_digest(folder / name) for name in FILES}


def rows_are_sound(folder: Path, checksums: Mapping[str, str]) -> bool:
    """Whether the files of the rows are what was written."""
    return all(is_sound(folder / name, checksums.get(name, "")) for name in FILES)


def read_rows(folder: Path) -> PackedRows:
    """The rows of an entry; the arrays are mapped, not read."""
    text = json.loads((folder / "rows.json").read_bytes())
    for name in ("document_ids", "document_hashes"):
        text[name] = tuple(text[name])
    return PackedRows(**text, **{name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS})
