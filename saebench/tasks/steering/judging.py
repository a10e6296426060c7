"""A judge's scores of steered texts: concept, instruction and fluency, each 0, 1 or 2, after AxBench's rubric.

The three questions and the reading of the answer follow AxBench (Wu et al. 2025, arXiv 2501.17148); the words are ours,
and the judge is whatever model the user names, at temperature 0. A concept is shown by some of its training texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from saebench.judges import Judge, Message, Question
from saebench.tasks.steering.account import Judgement, Outcome
from saebench.tasks.steering.measures import TOP, FloatArray, harmonic
from saebench.tasks.steering.trial import Trial

ASPECTS = ("concept", "instruction", "fluency")
ANSWER = (
    "First give a reason in one sentence. Then write a last line of this form, and nothing after it:\nRating: [[0]]"
)
RUBRICS = {
    "concept": "You rate how far a text shares a concept with some examples: what they are about, or the kind of text "
    "that they are. 0: nothing of it is in the text. 1: something of it is, in passing or out of place. 2: it is "
    "plainly there. Do not rate whether the text is good or sensible.",
    "instruction": "You rate how far a text is about the subject of an instruction. 0: it has nothing to do with it. "
    "1: it touches on it. 2: it is about it. Do not rate whether the text is true, whole or well written; it may end "
    "abruptly.",
    "fluency": "You rate how fluent a text is. 0: it cannot be read, or repeats itself without end. 1: it can be read, "
    "but is odd, broken or repetitive. 2: it reads like a text that a person has written. Do not rate what it says; "
    "it may end abruptly.",
}
LONGEST = 120
"""Tokens of an answer."""
MARKS = " \t[](){}.\"'*`"
"""What may stand around a rating."""


@dataclass(frozen=True)
class Asked:
    """A text, the instruction that it answers, and texts that bear the concept."""

    text: str
    instruction: str
    examples: tuple[str, ...]

    def questions(self) -> list[Question]:
        """One an aspect."""
        examples = "\n\n".join(f"Example {number}: {text}" for number, text in enumerate(self.examples, start=1))
        before = {"concept": examples, "instruction": f"Instruction: {self.instruction}", "fluency": ""}
        return [
            Question(
                (
                    Message("system", f"{RUBRICS[aspect]} {ANSWER}"),
                    Message("user", f"{before[aspect]}\n\nText: {self.text}".strip()),
                ),
                max_tokens=LONGEST,
            )
            for aspect in ASPECTS
        ]


def rating(answer: str) -> float | None:
    """The number behind the last "Rating:", from 0 to 2; None where there is none."""
    _, found, rest = answer.rpartition("Rating:")
    line = rest.strip().splitlines()[0].strip(MARKS) if found and rest.strip() else ""
    if not re.fullmatch(r"\d+(\.\d+)?", line):
        return None
    return float(line) if float(line) <= TOP else None


@dataclass(frozen=True, eq=False)
class Judged:
    """Scores `[n]` of some texts by name.

    Attributes:
        scores: "concept", "instruction", "fluency" and "harmonic"; an answer that cannot be read is 0, as in AxBench.
        answered: 1 where all three questions had an answer, else 0 (and the scores too).
        unread: how many of the three answers cannot be read.
        failures: why questions have no answer.
    """

    scores: dict[str, FloatArray]
    answered: FloatArray
    unread: FloatArray
    failures: tuple[str, ...]


def judged(judge: Judge, asked: Sequence[Asked]) -> Judged:
    """Ask three questions about each text, all of them at once.

    Raises:
        InputError: the judge cannot answer anything.
    """
    answers = judge.ask([question for one in asked for question in one.questions()])
    shape = (len(asked), len(ASPECTS))
    came = np.array([answer.text is not None for answer in answers]).reshape(shape)
    read = [rating(answer.text) if answer.text is not None else None for answer in answers]
    answered = np.asarray(came.all(1), dtype=np.float64)
    values = np.array([one or 0.0 for one in read]).reshape(shape) * answered[:, None]
    unread = np.asarray((np.array([one is None for one in read]).reshape(shape) & came).sum(1), dtype=np.float64)
    scores = dict(zip(ASPECTS, values.T, strict=True))
    scores["harmonic"] = harmonic(*(scores[aspect] for aspect in ASPECTS))
    return Judged(scores, answered, unread, tuple(answer.failure for answer in answers if answer.text is None))


def judgement(
    judge: Judge, outcomes: Mapping[str, Outcome | None], trials: Sequence[Trial], instructions: Sequence[str]
) -> Judgement:
    """What a judge says of the reported texts at the factors that were chosen without it, and of the plain model's.

    Args:
        judge: who is asked.
        outcomes: of one subject by concept.
        trials: every concept; the rows of those without an outcome stay 0.
        instructions: all of them.

    Raises:
        InputError: the judge cannot answer anything.
    """
    rows = [(trial, place) for trial in trials for place in trial.reported]
    counted = np.array([outcomes[trial.concept.name] is not None for trial, _ in rows])
    own, plain = [], []
    for trial, place in rows:
        outcome = outcomes[trial.concept.name]
        if outcome is not None:
            said = outcome.texts[outcome.curve.chosen(trial.choosing) - 1, place]
            asked = instructions[trial.own[place]]
            own.append(Asked(str(said), asked, trial.examples))
            plain.append(Asked(trial.plain_texts[place], asked, trial.examples))
    made = judged(judge, [*own, *plain])
    columns = {name: np.zeros(len(rows)) for name in ("judge_answered", "judge_unread", "judge_plain_answered")}
    for start, prefix in ((0, "judge_"), (len(own), "judge_plain_")):
        part = slice(start, start + len(own))
        for name, scores in made.scores.items():
            columns[f"{prefix}{name}"] = np.zeros(len(rows))
            columns[f"{prefix}{name}"][counted] = scores[part]
        columns[f"{prefix}answered"][counted] = made.answered[part]
    columns["judge_unread"][counted] = made.unread[: len(own)] * made.answered[: len(own)] / len(ASPECTS)
    return Judgement(judge.identity, columns, dict(Counter(made.failures)))
