"""Rows of random tokens, a model that is a table, and one that counts its passes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from saebench.activations import manifest
from saebench.activations.store import ActivationStore
from saebench.data.packing import PackedRows
from saebench.fingerprint import array_digest
from saebench.lm.model import LanguageModel
from saebench.lm.sites import Kind, Site

SITE = "blocks.1.hook_resid_post"
ENTRY = "blocks.1.hook_resid_pre"
MLP = "blocks.1.hook_mlp_out"


def random_rows(n_rows: int = 22, context: int = 8, seed: int = 0) -> PackedRows:
    """Rows whose first position is masked, and the end of the last row too; three rows a document."""
    generator = np.random.default_rng(seed)
    tokens = generator.integers(4, 64, (n_rows, context), dtype=np.int32)
    tokens[:, 0] = 1
    mask = np.ones((n_rows, context), dtype=bool)
    mask[:, 0] = False
    mask[-1, 3:] = False
    documents = np.broadcast_to(np.arange(n_rows, dtype=np.int32)[:, None] // 3, (n_rows, context)).copy()
    documents[~mask] = -1
    names = tuple(f"d{index}" for index in range(-(-n_rows // 3)))
    return PackedRows(
        name="random",
        licence="none",
        fingerprint=array_digest({"tokens": tokens, "mask": mask}),
        tokens=tokens,
        mask=mask,
        documents=documents,
        document_ids=names,
        document_hashes=names,
        packing={"context": context, "begin_id": 1},
    )


class Table:
    """A language model without depth: an activation is looked up by token and site, and grows with the position."""

    name = "table"
    fingerprint = "table"
    tokenizer_hash = "letters"
    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self._tables = {site: torch.randn(64, 16, generator=generator) for site in (ENTRY, MLP, SITE)}

    def site(self, name: str) -> Site:
        return Site(name, 1, Kind.RESID_POST, 16)

    def capture(self, tokens: Tensor, sites: list[str]) -> dict[str, Tensor]:
        positions = torch.arange(1, tokens.shape[1] + 1)[None, :, None]
        return {site: self._tables[site][tokens] * positions for site in sites}


class Counting:
    """A language model that writes one line to a file for each batch that it reads."""

    def __init__(self, lm: LanguageModel | Table, log: Path) -> None:
        self._lm = lm
        self._log = log

    def __getattr__(self, name: str) -> object:
        return getattr(self._lm, name)

    def capture(self, tokens: Tensor, sites: list[str]) -> dict[str, Tensor]:
        with self._log.open("a") as stream:
            stream.write(f"{','.join(sites)} {tokens[:, 1].tolist()}\n")
        return self._lm.capture(tokens, sites)

    def passes(self) -> list[str]:
        """One line a batch so far."""
        return self._log.read_text().splitlines() if self._log.exists() else []


def small_shards() -> None:
    """Shards of 32 tokens: with 4 rows of 8 tokens in a batch, one batch a shard."""
    manifest.SHARD_TOKENS = 32


def counting_model(folder: Path) -> Counting:
    """The table, counting into a file of `folder`."""
    return Counting(Table(), folder / "passes.txt")


def fresh_store(folder: Path, max_bytes: int = 10**9) -> ActivationStore:
    """A store of its own."""
    return ActivationStore(folder / "store", max_bytes)
