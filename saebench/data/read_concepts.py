"""Concepts as a language model reads them: one text a row, cut to a number of tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from saebench.data.concepts import Concept
from saebench.data.packing import PackedRows
from saebench.data.text_rows import rows_of_texts
from saebench.errors import DataError
from saebench.fingerprint import array_digest, digest
from saebench.results.schema import DataRecord

IntArray = np.ndarray[Any, np.dtype[np.int64]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, eq=False)
class ReadConcept:
    """A concept as rows of tokens, one text a row; indices are into `rows`."""

    name: str
    family: str
    rows: PackedRows
    texts: tuple[str, ...]
    """What the model reads of each text, begin-of-text token left out."""
    marks: BoolArray | None
    """Which tokens bear the concept, `[n_rows, T]`; None where the label is about whole texts."""
    hashes: tuple[tuple[str, ...], ...]
    train: IntArray
    y_train: IntArray
    test: IntArray
    y_test: IntArray
    hard: IntArray
    about: Mapping[str, Any]

    def fingerprint(self) -> str:
        """32 hex digits over texts as the model reads them, splits and labels."""
        parts = ("train", "y_train", "test", "y_test", "hard")
        asked = array_digest({part: getattr(self, part) for part in parts})
        marked = None if self.marks is None else array_digest({"marks": self.marks})
        return digest({"rows": self.rows.fingerprint, "asked": asked, "family": self.family, "marks": marked})

    def lesson_fingerprint(self) -> str:
        """32 hex digits over what a method is fitted on: the training texts as the model reads them, and labels."""
        mask = self.rows.mask[self.train]
        width = int(np.flatnonzero(mask.any(axis=0)).max()) + 1
        tokens = self.rows.tokens[self.train, :width]
        return array_digest({"tokens": tokens, "mask": mask[:, :width], "y": self.y_train})

    def record(self) -> DataRecord:
        """How a result describes it."""
        return DataRecord(
            part=self.name,
            name=self.name,
            fingerprint=self.fingerprint(),
            licence=self.rows.licence,
            documents=self.rows.n_rows,
            tokens=self.rows.n_tokens,
            packing=dict(self.rows.packing),
            mask_rule=self.rows.mask_rule,
        )


def read_concept(one: Concept, tokenizer: Any, *, tokenizer_hash: str, context: int) -> ReadConcept:
    """A concept as the model reads it.

    A text without a token that counts is left out, and so is one that bears the concept in words that were all cut off.

    Args:
        one: the concept.
        tokenizer, tokenizer_hash: of the model.
        context: tokens of a text, begin-of-text token included; longer texts lose their end.

    Raises:
        DataError: a class has no text left on one side, or the tokenizer does not say which characters tokens cover.
    """
    rows, marks = _rows(one, np.arange(len(one.texts)), tokenizer, tokenizer_hash, context)
    countable = np.asarray(rows.mask.any(axis=1))
    if one.spans is not None and marks is not None:
        countable &= marks.any(axis=1) | np.array([not spans for spans in one.spans])
    train, test = countable[one.train], countable[one.test]
    for side, y in (("training", one.y_train[train]), ("test", one.y_test[test])):
        if len(set(y.tolist())) < 2:
            raise DataError(f"a class has no {side} text with a token that counts", file=one.name)
    kept = np.flatnonzero(countable)
    if len(kept) < len(countable):
        rows, marks = _rows(one, kept, tokenizer, tokenizer_hash, context)
    place = np.full(len(one.texts), -1)
    place[kept] = np.arange(len(kept))
    counted = [tokens[mask].tolist() for tokens, mask in zip(rows.tokens, rows.mask, strict=True)]
    return ReadConcept(
        name=one.name,
        family=one.family,
        rows=rows,
        texts=tuple(tokenizer.batch_decode(counted)),
        marks=marks,
        hashes=tuple(one.hashes[row] for row in kept),
        train=place[one.train[train]],
        y_train=one.y_train[train],
        test=place[one.test[test]],
        y_test=one.y_test[test],
        hard=place[one.hard[countable[one.hard]]],
        about={**one.about, "cut": rows.packing["cut"], "left_out": int((~countable).sum())},
    )


def _rows(
    one: Concept, chosen: IntArray, tokenizer: Any, tokenizer_hash: str, context: int
) -> tuple[PackedRows, BoolArray | None]:
    """Some of the texts as rows of tokens, and which tokens bear the concept."""
    texts = [one.texts[row] for row in chosen]
    rows = rows_of_texts(
        texts,
        tokenizer,
        tokenizer_hash=tokenizer_hash,
        context=context,
        ids=[one.hashes[row][0] for row in chosen],
        name=one.name,
        licence=one.licence,
    )
    if one.spans is None:
        return rows, None
    if not tokenizer.is_fast:
        raise DataError("the tokenizer does not say which characters a token covers", file=one.name)
    covered = tokenizer(
        texts, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True, verbose=False
    )["offset_mapping"]
    marks = np.zeros(rows.mask.shape, np.bool_)
    for row, (places, chosen_row) in enumerate(zip(covered, chosen, strict=True)):
        for number, (start, end) in enumerate(places[: rows.context - 1]):
            marks[row, 1 + number] = any(start < last and first < end for first, last in one.spans[chosen_row])
    return rows, marks & rows.mask
