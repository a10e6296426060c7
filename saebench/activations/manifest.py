"""What an entry of the store says about itself: its identity, its layout and the checksums of what is finished."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from saebench.activations.shards import STORED, is_sound
from saebench.data.packing import PackedRows
from saebench.fingerprint import digest
from saebench.results.atomic import write_bytes

if TYPE_CHECKING:
    from saebench.lm.model import LanguageModel

FILE = "manifest.json"

SHARD_TOKENS = 16_384
"""Tokens in a shard, masked ones included: about 38 MB at width 576 in fp32."""


class EntryKey(BaseModel):
    """Everything that decides the stored values. The batch size is not part of it: it moves the last bits only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lm_fingerprint: str
    tokenizer_hash: str
    site: str
    data_fingerprint: str
    packing: Mapping[str, Any]
    mask_rule: str
    compute_dtype: str
    store_dtype: Literal["float32", "bfloat16"]

    def digest(self) -> str:
        """32 hex digits: the name of the entry's folder."""
        return digest(self.model_dump())


class Manifest(BaseModel):
    """The file `manifest.json` of an entry. It is replaced after each shard: what it lists is finished."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    key: EntryKey
    lm: str
    """Name of the language model, for readers."""
    data: str
    """Name of the corpus, for readers."""
    rows: int
    context: int
    width: int
    batch_rows: int
    """Rows in one forward pass. A shard is made again with the batches that it was made with: the same bits."""
    rows_per_shard: int
    """A multiple of `batch_rows`."""
    checksums: dict[int, str] = {}
    """SHA-256 of each finished shard, by its number."""
    rows_checksum: dict[str, str] = {}
    """SHA-256 of each file about the rows, by its name."""

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the stored values."""
        dtype: torch.dtype = getattr(torch, self.key.store_dtype)
        return dtype

    @property
    def shards(self) -> int:
        """Number of shards of the whole entry."""
        return -(-self.rows // self.rows_per_shard)

    @property
    def complete(self) -> bool:
        """Whether every shard is finished."""
        return all(shard in self.checksums for shard in range(self.shards))

    @property
    def bytes(self) -> int:
        """Size of all shards when complete."""
        return sum(self.shard_bytes(shard) for shard in range(self.shards))

    def describes(self, other: Manifest) -> bool:
        """Whether both are about the same values, in whatever layout."""
        return (self.key.digest(), self.rows, self.context, self.width) == (
            other.key.digest(),
            other.rows,
            other.context,
            other.width,
        )

    def shard_rows(self, shard: int) -> range:
        """The rows of a shard."""
        first = shard * self.rows_per_shard
        return range(first, min(first + self.rows_per_shard, self.rows))

    def shard_bytes(self, shard: int) -> int:
        """Size of a finished shard."""
        return len(self.shard_rows(shard)) * self.context * self.width * STORED[self.dtype].itemsize

    def save(self, folder: Path) -> None:
        """Replace the manifest of an entry in one step.

        Raises:
            StorageError: the disk is full or the folder cannot be written.
        """
        write_bytes(folder / FILE, self.model_dump_json(indent=1).encode())


def load_manifest(folder: Path) -> Manifest | None:
    """The manifest of an entry, or None when there is none or it is not sound."""
    try:
        return Manifest.model_validate_json((folder / FILE).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None


def shard_file(folder: Path, shard: int) -> Path:
    """Where a shard of an entry lies."""
    return folder / f"{shard:05d}.bin"


def new_manifest(lm: LanguageModel, rows: PackedRows, site: str, store_dtype: torch.dtype, batch_rows: int) -> Manifest:
    """The manifest of an entry of which nothing is made."""
    key = EntryKey(
        lm_fingerprint=lm.fingerprint,
        tokenizer_hash=lm.tokenizer_hash,
        site=site,
        data_fingerprint=rows.fingerprint,
        packing=rows.packing,
        mask_rule=rows.mask_rule,
        compute_dtype=str(lm.dtype).removeprefix("torch."),
        store_dtype="bfloat16" if store_dtype == torch.bfloat16 else "float32",
    )
    return Manifest(
        key=key,
        lm=lm.name,
        data=rows.name,
        rows=rows.n_rows,
        context=rows.context,
        width=lm.site(site).width,
        batch_rows=batch_rows,
        rows_per_shard=batch_rows * max(1, SHARD_TOKENS // (rows.context * batch_rows)),
    )


def missing_shards(folder: Path, manifest: Manifest) -> frozenset[int]:
    """Shards that are not finished, or whose file is not what its checksum says."""
    return frozenset(
        shard
        for shard in range(manifest.shards)
        if shard not in manifest.checksums
        or not is_sound(shard_file(folder, shard), manifest.checksums[shard], manifest.shard_bytes(shard))
    )
