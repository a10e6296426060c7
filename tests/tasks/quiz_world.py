"""Questions that a tiny model knows: their right answers are read off the model itself."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np

from saebench.answers.examination import answered, examine
from saebench.answers.rows import asked_rows
from saebench.data.questions import Question, QuestionSet
from saebench.fakes import bench_of
from saebench.lm.fakes import ALPHABET

LETTERS = ALPHABET[1:27]


def random_questions(n: int, seed: int, *, letters: str = LETTERS) -> list[Question]:
    """Four-way questions about nothing, in the given letters."""
    draw = random.Random(seed)

    def word(most: int) -> str:
        return "".join(draw.choices(letters, k=draw.randint(2, most)))

    made = []
    for number in range(n):
        context = f"{word(9)} {word(9)}"
        made.append(Question(f"{seed}-{number}", tuple((context, f" {word(4)}") for _ in range(4)), draw.randrange(4)))
    return made


def known(questions: list[Question], lm: Any, *, wrong_every: int = 0) -> list[Question]:
    """The same questions, their answers those of the model, but for one in `wrong_every`."""
    asked = asked_rows(questions, lm, context=64, most=len(questions), name="x", licence="none")
    exam = examine(bench_of(lm), asked, "blocks.1.hook_resid_post")
    said = answered(exam.clean, asked)
    shift = np.array([wrong_every > 0 and number % wrong_every == 0 for number in range(len(said))])
    return [replace(one, answer=int(answer)) for one, answer in zip(asked.questions, (said + shift) % 4, strict=True)]


def as_set(name: str, questions: list[Question]) -> QuestionSet:
    """Questions under a name."""
    return QuestionSet(name, "none needed", "1", tuple(questions), {})
