"""Questions as rows of tokens: one row a choice, those of a question side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saebench.data.packing import PackedRows
from saebench.data.questions import Question
from saebench.data.text_rows import rows_of_ids, token_ids
from saebench.errors import DataError
from saebench.fingerprint import digest
from saebench.results.schema import DataRecord

if TYPE_CHECKING:
    from saebench.lm.model import LanguageModel

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class AskedRows:
    """`n` rows of `q` questions.

    Attributes:
        questions: what is asked, in order.
        answers: the place of each right choice among the rows of its question, `[q]`.
        rows: begin-of-text token, context, continuation; what a model reads.
        question_of: the question of each row, ascending, `[n]`.
        context: tokens of each row's context, begin-of-text token included, `[n]`.
        length: tokens of each row, `[n]`.
        context_of: the first row that has the same context, `[n]`.
        name, licence: of the questions.
        dropped: questions that were left out because a row is too long.
    """

    questions: tuple[Question, ...]
    answers: IntArray
    rows: PackedRows
    question_of: IntArray
    context: IntArray
    length: IntArray
    context_of: IntArray
    name: str
    licence: str
    dropped: int

    @property
    def chance(self) -> NDArray[np.float64]:
        """One over the number of choices of each question, `[q]`."""
        return np.asarray(1 / np.bincount(self.question_of), dtype=np.float64)

    @cached_property
    def context_start(self) -> IntArray:
        """Where the tokens of each row's context stand, those of distinct contexts lying one after the other, `[n]`."""
        distinct = np.unique(self.context_of)
        ends = np.cumsum(self.context[distinct])
        return np.asarray((ends - self.context[distinct])[np.searchsorted(distinct, self.context_of)])

    @cached_property
    def continuation_start(self) -> IntArray:
        """Where those of each row's continuation, but for the last one, stand behind all contexts, `[n]`."""
        read = self.length - self.context - 1
        return np.asarray(int(self.context[np.unique(self.context_of)].sum()) + np.cumsum(read) - read)

    @property
    def flat_tokens(self) -> int:
        """Tokens that are read: those of each distinct context, and of each continuation but for the last one."""
        return int(self.context[np.unique(self.context_of)].sum() + (self.length - self.context - 1).sum())

    @property
    def fingerprint(self) -> str:
        """32 hex digits over tokens, contexts and answers."""
        return digest([self.rows.fingerprint, self.context.tolist(), self.answers.tolist()])

    def record(self) -> DataRecord:
        """How a result describes the questions."""
        return DataRecord(
            part=self.name,
            name=self.name,
            fingerprint=self.fingerprint,
            licence=self.licence,
            documents=len(self.questions),
            tokens=self.rows.n_tokens,
            packing=dict(self.rows.packing),
            mask_rule=self.rows.mask_rule,
        )


def asked_rows(
    questions: Sequence[Question], lm: LanguageModel, *, context: int, most: int, name: str, licence: str
) -> AskedRows:
    """The first `most` questions whose rows have at most `context` tokens each, begin-of-text token included.

    Texts are cut into tokens as lm-eval does it: a context by itself, and of context and continuation together what
    comes behind it; blanks at a context's end belong to the continuation.

    Raises:
        DataError: none is short enough, or the tokenizer has no token to begin a text.
    """
    kept: list[Question] = []
    texts: list[list[int]] = []
    split: list[int] = []
    dropped = 0
    for question in questions:
        if len(kept) == most:
            break
        pairs = [_tokens(pair, lm.tokenizer) for pair in question.pairs]
        if max(len(before) + len(after) for before, after in pairs) > context - 1:
            dropped += 1
            continue
        kept.append(question)
        texts += [before + after for before, after in pairs]
        split += [1 + len(before) for before, _ in pairs]
    if not kept:
        raise DataError(f"no question has rows of at most {context} tokens", file=name, remedy="allow longer rows")
    counts = [len(question.pairs) for question in kept]
    question_of = np.repeat(np.arange(len(kept)), counts)
    first: dict[tuple[int, ...], int] = {}
    contexts = [tuple(ids[: cut - 1]) for ids, cut in zip(texts, split, strict=True)]
    context_of = [first.setdefault(ids, row) for row, ids in enumerate(contexts)]
    rows = rows_of_ids(
        texts,
        lm.tokenizer,
        tokenizer_hash=lm.tokenizer_hash,
        context=context,
        ids=[f"{kept[question].id}/{row}" for row, question in enumerate(question_of)],
        name=name,
        licence=licence,
    )
    return AskedRows(
        tuple(kept),
        np.array([question.answer for question in kept]),
        rows,
        question_of,
        np.array(split),
        np.array([1 + len(ids) for ids in texts]),
        np.array(context_of),
        name,
        licence,
        dropped,
    )


def _tokens(pair: tuple[str, str], tokenizer: Any) -> tuple[list[int], list[int]]:
    """Token ids of a context, which may be empty, and of its continuation.

    Raises:
        DataError: the continuation adds no token.
    """
    context, continuation = pair
    blanks = len(context) - len(context.rstrip())
    if blanks:
        context, continuation = context[:-blanks], context[-blanks:] + continuation
    before, whole = token_ids([context, context + continuation], tokenizer)
    after = whole[len(before) :]
    if not after:
        raise DataError(f"a choice adds no token to its question: {continuation!r}", file="questions")
    return before, after
