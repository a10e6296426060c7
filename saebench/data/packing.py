"""Packed rows: the chosen documents of a corpus as token ids, and the settings that choose them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from saebench.data.layout import MASK_RULE, Packer, begin_and_pad
from saebench.data.selection import select
from saebench.data.sources import source
from saebench.data.texts import Document, Part
from saebench.errors import DataError
from saebench.fingerprint import array_digest, digest
from saebench.progress import Progress

__all__ = ["MASK_RULE", "DataSpec", "PackedRows", "load_rows"]

TOKENIZER_BATCH = 128


class DataSpec(BaseModel):
    """Which text, how much of it, and how it is laid into rows.

    Attributes:
        source: what `saebench.data.source` takes.
        part: "train" or "eval"; the two never share a document.
        documents: at most so many documents.
        tokens: at most so many unmasked tokens; the last document is cut to meet it.
        context: length of a row, begin-of-text token included.
        tokens_per_document: each document is cut to so many tokens.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    part: Part
    documents: PositiveInt | None = None
    tokens: PositiveInt | None = None
    context: int = Field(default=128, ge=2)
    tokens_per_document: PositiveInt | None = None


@dataclass(frozen=True, eq=False)
class PackedRows:
    """R rows of T token ids.

    Attributes:
        name: corpus and part, "news/eval".
        licence: of the text.
        fingerprint: 32 hex digits over tokens, mask, documents, packing, mask rule and tokenizer hash.
        tokens: int32 `[R, T]`.
        mask: bool `[R, T]`, True where a token counts (`mask_rule`).
        documents: int32 `[R, T]`, index into `document_ids`; -1 on inserted tokens.
        document_ids: where each document stands in its corpus, in the order of their rows.
        document_hashes: content hash of each document, in the same order.
        packing: the settings of the layout.
        mask_rule: the rule in words.
    """

    name: str
    licence: str
    fingerprint: str
    tokens: NDArray[np.int32]
    mask: NDArray[np.bool_]
    documents: NDArray[np.int32]
    document_ids: tuple[str, ...]
    document_hashes: tuple[str, ...]
    packing: dict[str, Any]
    mask_rule: str = MASK_RULE

    @property
    def n_rows(self) -> int:
        return int(self.tokens.shape[0])

    @property
    def context(self) -> int:
        return int(self.tokens.shape[1])

    @property
    def n_tokens(self) -> int:
        """Unmasked tokens."""
        return int(self.mask.sum())


def load_rows(
    spec: DataSpec, tokenizer: Any, *, tokenizer_hash: str, seed: int = 0, progress: Progress | None = None
) -> PackedRows:
    """Choose documents, tokenise them and lay them into rows.

    A corpus that holds less than the budget gives what it has. A document without a token that counts is left out.

    Args:
        spec: what to read and how to lay it out.
        tokenizer: a Hugging Face tokenizer.
        tokenizer_hash: content hash of the tokenizer, part of the fingerprint.
        seed: which documents of the part are taken, and their order.
        progress: told about fetching, if the corpus is not in the cache.

    Raises:
        UnknownName: no such corpus.
        DataError: the part holds no document, no document has a countable token, or the tokenizer has no special
            token that can begin a text.
    """
    begin, pad = begin_and_pad(tokenizer)
    special = np.array(sorted(set(tokenizer.all_special_ids)), dtype=np.int32)
    corpus = source(spec.source, progress)
    packer = Packer(spec.context, begin, pad)
    chosen: list[Document] = []
    left = spec.tokens
    for document, ids in _tokenised(select(corpus, spec.part, seed, spec.documents), tokenizer):
        ids = ids[: spec.tokens_per_document]
        counts = ~np.isin(ids, special)
        if left is not None:
            stop = int(np.searchsorted(np.cumsum(counts), left)) + 1
            ids, counts = ids[:stop], counts[:stop]
            left -= int(counts.sum())
        if counts.any():
            packer.add(len(chosen), ids, counts)
            chosen.append(document)
        if left == 0:
            break
    if not chosen:
        raise DataError(f"part '{spec.part}' holds no document with a token that counts", file=spec.source)
    tokens, mask, documents = packer.finish()
    packing = {
        "context": spec.context,
        "begin_id": begin,
        "pad_id": pad,
        "begin_before": "each document and each row",
        "last_row": "padded",
        "tokens_per_document": spec.tokens_per_document,
    }
    hashes = tuple(document.hash for document in chosen)
    covered = {
        "rows": array_digest({"tokens": tokens, "mask": mask, "documents": documents}),
        "documents": hashes,
        "packing": packing,
        "mask_rule": MASK_RULE,
        "tokenizer": tokenizer_hash,
    }
    return PackedRows(
        name=f"{corpus.name}/{spec.part}",
        licence=corpus.licence,
        fingerprint=digest(covered),
        tokens=tokens,
        mask=mask,
        documents=documents,
        document_ids=tuple(document.id for document in chosen),
        document_hashes=hashes,
        packing=packing,
    )


def _tokenised(documents: Iterator[Document], tokenizer: Any) -> Iterator[tuple[Document, NDArray[np.int32]]]:
    """Documents with their token ids; a special token's name that occurs in a text is read as plain text."""
    while batch := _take(documents, TOKENIZER_BATCH):
        encoded = tokenizer(
            [document.text for document in batch],
            add_special_tokens=False,
            split_special_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
        for document, ids in zip(batch, encoded["input_ids"], strict=True):
            yield document, np.asarray(ids, dtype=np.int32)


def _take(documents: Iterator[Document], count: int) -> Sequence[Document]:
    return [document for _, document in zip(range(count), documents, strict=False)]
