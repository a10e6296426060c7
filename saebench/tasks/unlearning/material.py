"""What is asked, and what latents are chosen on: three disjoint parts of the questions, and prose.

Questions of each set are ordered by the hash of seed and id. The first ones are asked, in turn for the choice of a
configuration (validation) and for the report (test). The rest is never asked: their passages and right answers are the
corpora on which latents are chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saebench.answers.rows import AskedRows, asked_rows
from saebench.data.packing import PackedRows
from saebench.data.questions import Question, QuestionSet, chosen, question_set
from saebench.data.selection import select
from saebench.data.sources import source
from saebench.data.text_rows import rows_of_texts
from saebench.errors import DataError
from saebench.results.schema import DataRecord
from saebench.tasks.unlearning.params import UnlearningParams

if TYPE_CHECKING:
    from saebench.lm.model import LanguageModel

KINDS = ("forget", "retain", "prose")
"""What a text of the corpora is, by number."""


@dataclass(frozen=True, eq=False)
class Side:
    """Questions of one side.

    Attributes:
        asked: all that are asked.
        test: which of them report, the others choose; bool `[q]`.
        texts: texts of questions that are not asked.
    """

    asked: AskedRows
    test: NDArray[np.bool_]
    texts: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Material:
    """Everything that is read.

    Attributes:
        forget, retain: questions about the topic and about the rest.
        rows: the corpora as rows, one text each.
        strings: their texts.
        kinds: of each of them, a place in `KINDS`.
        prose: held-out documents.
    """

    forget: Side
    retain: Side
    rows: PackedRows
    strings: tuple[str, ...]
    kinds: NDArray[np.int64]
    prose: PackedRows

    def records(self) -> tuple[DataRecord, ...]:
        """How a result describes it."""
        corpora = (("corpora", self.rows), ("held-out prose", self.prose))
        return (
            self.forget.asked.record(),
            self.retain.asked.record(),
            *(
                DataRecord(
                    part=part,
                    name=rows.name,
                    fingerprint=rows.fingerprint,
                    licence=rows.licence,
                    documents=rows.n_rows,
                    tokens=rows.n_tokens,
                    packing=dict(rows.packing),
                    mask_rule=rows.mask_rule,
                )
                for part, rows in corpora
            ),
        )


def material(params: UnlearningParams, lm: LanguageModel, seed: int) -> Material:
    """Read and divide everything.

    Raises:
        UnknownName, UsageError, DataError, AssetError: as `question_set` and `source`; DataError too where a question
            stands on both sides, or a side has no question left for its corpus.
    """
    held = {name: question_set(name) for name in (*params.forget, *params.retain)}
    check_apart(held, params)
    forget = side("forget", [held[name] for name in params.forget], params, lm, seed)
    retain = side("retain", [held[name] for name in params.retain], params, lm, seed)
    corpus = source(params.prose)
    prose = [one.text for one in select(corpus, "train", seed, params.texts)]
    strings = (*forget.texts, *retain.texts, *prose)
    sizes = (len(forget.texts), len(retain.texts), len(prose))
    licences = "; ".join(dict.fromkeys([*(one.licence for one in held.values()), corpus.licence]))
    held_out = [one.text for one in select(corpus, "eval", seed, params.prose_documents)]

    def rows(texts: Sequence[str], name: str, licence: str) -> PackedRows:
        return rows_of_texts(
            texts,
            lm.tokenizer,
            tokenizer_hash=lm.tokenizer_hash,
            context=params.text_context,
            ids=[f"{name}/{number}" for number in range(len(texts))],
            name=name,
            licence=licence,
        )

    return Material(
        forget,
        retain,
        rows(strings, f"texts of {', '.join(held)} and {params.prose}", licences),
        strings,
        np.repeat(np.arange(len(KINDS)), sizes),
        rows(held_out, f"{params.prose}/eval", corpus.licence),
    )


def check_apart(held: dict[str, QuestionSet], params: UnlearningParams) -> None:
    """Refuse a question that is to be forgotten and retained.

    Raises:
        DataError: naming the sets.
    """
    for left in params.forget:
        for right in params.retain:
            both = {one.pairs for one in held[left].questions} & {one.pairs for one in held[right].questions}
            if both:
                raise DataError(f"{len(both)} questions stand in {left} and in {right}", remedy="take other sets")


def side(name: str, sets: Sequence[QuestionSet], params: UnlearningParams, lm: LanguageModel, seed: int) -> Side:
    """Questions of some sets, as many of each, asked or kept for the corpus."""
    asked: list[Question] = []
    texts: list[str] = []
    each = max(1, params.questions // len(sets))
    for held in sets:
        ordered = chosen(held.questions, len(held.questions), seed=seed, what="unlearning")
        most = min(each, len(ordered) // 2)
        own = asked_rows(
            ordered, lm, context=params.context, most=max(most, 1), name=held.name, licence=held.licence
        ).questions
        asked += own
        taken = set(own)
        texts += [text_of(one) for one in ordered if one not in taken]
    if not texts:
        raise DataError("no question is left for the corpus", field=name, remedy="ask fewer questions")
    licence = "; ".join(dict.fromkeys(one.licence for one in sets))
    rows = asked_rows(asked, lm, context=params.context, most=len(asked), name=name, licence=licence)
    return Side(rows, np.arange(len(asked)) % 2 == 1, tuple(spread(texts, params.texts)))


def spread(texts: list[str], most: int) -> list[str]:
    """At most so many, from all over the list, so that every set has its share."""
    if len(texts) <= most:
        return texts
    return [texts[place] for place in np.linspace(0, len(texts) - 1, most).astype(int)]


def text_of(question: Question) -> str:
    """What a question says: its passage where there is one, then question and right answer."""
    return f"{question.passage}\n{question.answered}".strip()
