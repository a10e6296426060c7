"""What a steered model still answers: questions of an lm-eval task, with the direction at its chosen strength."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from saebench.answers.examination import Examination, correct
from saebench.answers.rows import AskedRows, asked_rows
from saebench.data.questions import chosen, question_set
from saebench.lm.model import LanguageModel
from saebench.lm.steering import Edit
from saebench.tasks.contract import ItemTable
from saebench.tasks.steering.measures import FloatArray

CONTEXT = 64
"""Longest row of a question in tokens; longer questions are left out."""


def questions_of(lm: LanguageModel, name: str, limit: int, seed: int) -> AskedRows:
    """At most `limit` questions of a packaged set or of an lm-eval task.

    Raises:
        UnknownName, UsageError, DataError, AssetError: as `saebench.data.questions.question_set`.
    """
    held = question_set(name)
    ordered = chosen(held.questions, len(held.questions), seed=seed, what="steering")
    return asked_rows(ordered, lm, context=CONTEXT, most=limit, name=name, licence=held.licence)


@torch.no_grad()
def right_under(exam: Examination, edit: Edit) -> FloatArray:
    """1 where a question is answered right while row 0 of `edit` is done to every token that counts, else 0, `[q]`."""
    made = np.empty(len(exam.clean))

    def edited(tokens: Tensor) -> Tensor:
        return edit(tokens[None], torch.zeros(1, dtype=torch.int64, device=tokens.device))[0]

    for block in exam.blocks():
        made[block.asked] = block.changed(block.edited(edited(block.tokens)), exam.lm, exam.clean[block.asked])
    return correct(made, exam.asked).astype(np.float64)


def side_table(exam: Examination, concepts: Sequence[str], right: Sequence[FloatArray | None]) -> ItemTable:
    """A row a concept and a question, clustered by question; concepts without answers weigh nothing."""
    ids = [question.id for question in exam.asked.questions]
    clean = correct(exam.clean, exam.asked).astype(np.float64)
    none = np.zeros(len(ids))
    return ItemTable(
        tuple(f"{concept}/{one}" for concept in concepts for one in ids),
        tuple(one for _ in concepts for one in ids),
        {
            "right": np.concatenate([none if one is None else one for one in right]),
            "clean": np.concatenate([none if one is None else clean for one in right]),
            "asked": np.concatenate([none if one is None else none + 1 for one in right]),
        },
    )
