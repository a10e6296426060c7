"""From documents to rows of token ids of one length, with a mask that says which tokens count.

A row begins with a begin-of-text token. Documents follow one another, each behind a begin-of-text token of its own
(the row's own one serves the document that starts there); what does not fit goes on in the next row. A row's last
position stays padding where only a begin-of-text token would fit. Attention is the model's plain causal one: a
document sees what stands before it in its row.

The mask rule (`MASK_RULE`) keeps the tokens of documents only. The first position of a decoder-only model carries an
activation that is orders of magnitude longer than all others, whatever token stands there (Sun et al. 2024, "Massive
activations in large language models"; in SmolLM2-135M about 23,700 against 145 to 455): one such position in a
hundred would own every mean, scale and squared error. As each row starts with an inserted token and inserted tokens
never count, that position is out for any model. Special ids inside a text (an unknown word, say) are out as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from saebench.data.selection import select
from saebench.data.sources import source
from saebench.data.texts import Document, Part
from saebench.errors import DataError
from saebench.fingerprint import array_digest, digest
from saebench.progress import Progress

MASK_RULE = (
    "document tokens only: no begin-of-text, no padding, nothing before a row's first document token, no special id"
)
TOKENIZER_BATCH = 128
NO_DOCUMENT = -1


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
    packer = _Packer(spec.context, begin, pad)
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


def begin_and_pad(tokenizer: Any) -> tuple[int, int]:
    """The ids that begin a text and fill a row: the tokenizer's own where it has them, else its end-of-text id.

    Raises:
        DataError: the tokenizer has neither a begin-of-text nor an end-of-text token.
    """
    begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if begin is None:
        raise DataError(
            "has neither a begin-of-text nor an end-of-text token",
            file=str(tokenizer.name_or_path),
            field="bos_token",
            remedy="set bos_token in tokenizer_config.json",
        )
    fillers = (tokenizer.pad_token_id, tokenizer.eos_token_id, begin)
    return int(begin), int(next(filler for filler in fillers if filler is not None))


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


class _Packer:
    """Lays documents into rows, one after the other."""

    def __init__(self, context: int, begin: int, pad: int) -> None:
        self._context = context
        self._begin = begin
        self._pad = pad
        self._rows: list[tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.int32]]] = []
        self._at = context

    def add(self, index: int, ids: NDArray[np.int32], counts: NDArray[np.bool_]) -> None:
        """Lay down document `index`: token ids `[n]`, and which of them count."""
        done = 0
        while done < len(ids):
            if done == 0 or self._at == self._context:
                if self._at + 2 > self._context:
                    self._open_row()
                self._rows[-1][0][self._at] = self._begin
                self._at += 1
            tokens, mask, documents = self._rows[-1]
            here = slice(self._at, min(self._context, self._at + len(ids) - done))
            size = here.stop - here.start
            tokens[here] = ids[done : done + size]
            mask[here] = counts[done : done + size]
            documents[here] = index
            self._at += size
            done += size

    def finish(self) -> tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.int32]]:
        """Tokens, mask and document indices, each `[R, T]`."""
        tokens, mask, documents = zip(*self._rows, strict=True)
        return np.stack(tokens), np.stack(mask), np.stack(documents)

    def _open_row(self) -> None:
        size = self._context
        row = np.full(size, self._pad, np.int32), np.zeros(size, np.bool_), np.full(size, NO_DOCUMENT, np.int32)
        self._rows.append(row)
        self._at = 0
