"""From examples to scores: the judge explains latents, then tells by explanations in which windows they are active."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from saebench.judges import Judge, Question
from saebench.tasks.autointerp.asking import Reading, readings
from saebench.tasks.autointerp.examples import Example, Examples
from saebench.tasks.autointerp.params import HELD
from saebench.tasks.autointerp.prompts import (
    ONLY_A_SENTENCE,
    ONLY_NUMBERS,
    detect,
    explain,
    fuzz,
    read_explanation,
    read_numbers,
)
from saebench.tasks.autointerp.texts import marked, plain

TESTS: dict[str, Callable[[str, Sequence[str]], Question]] = {"detection": detect, "fuzzing": fuzz}
SIDES = ("own", "shuffled")
"""Whose explanation a latent is tested with."""
Named = Reading[frozenset[int]]


@dataclass
class Tested:
    """A latent with all that the judge said about it."""

    latent: int
    rate: float
    """Share of tokens on which it fires."""
    examples: Examples
    pieces: dict[int, list[str]]
    """Window to the text of its tokens."""
    explanation: Reading[str] | None = None
    partner: int | None = None
    """The latent whose explanation is the shuffled one."""
    answers: dict[tuple[str, str], Named] = field(default_factory=dict)
    """By test and side; a test that was not asked is absent."""

    def lines(self, examples: Sequence[Example], with_marks: bool) -> list[str]:
        """The text of examples."""
        return [
            marked(self.pieces[one.window], one.marked) if with_marks else plain(self.pieces[one.window])
            for one in examples
        ]

    @property
    def truth(self) -> frozenset[int]:
        """Numbers of the held-out windows in which it is active."""
        return frozenset(number for number, one in enumerate(self.examples.held_out, start=1) if one.active)


def judge_all(tested: Sequence[Tested], judge: Judge, draw: np.random.Generator) -> None:
    """Ask for explanations, then for the scores of all latents together.

    Each explanation is also given to another latent, in a cycle drawn at random: nobody keeps their own.
    """
    questions = [explain(one.lines(one.examples.shown, with_marks=True)) for one in tested]
    explained: list[tuple[Tested, str]] = []
    for one, found in zip(tested, readings(judge, questions, read_explanation, ONLY_A_SENTENCE), strict=True):
        one.explanation = found
        if found.value is not None:
            explained.append((one, found.value))
    cycle = [explained[place] for place in draw.permutation(len(explained))]
    asked: list[tuple[Tested, tuple[str, str], Question]] = []
    for (one, own), (other, foreign) in zip(cycle, cycle[1:] + cycle[:1], strict=True):
        sides = {"own": own}
        if other is not one:
            one.partner = other.latent
            sides["shuffled"] = foreign
        for test, ask in TESTS.items():
            lines = one.lines(one.examples.held_out, with_marks=test == "fuzzing")
            asked += [(one, (test, side), ask(explanation, lines)) for side, explanation in sides.items()]
    read = partial(read_numbers, count=HELD)
    answers = readings(judge, [question for _, _, question in asked], read, ONLY_NUMBERS)
    for (one, key, _), answer in zip(asked, answers, strict=True):
        one.answers[key] = answer


@dataclass(frozen=True)
class Outcome:
    """How one test of one latent went; the scores mean nothing where there was no answer at all."""

    answered: bool
    unread: bool
    accuracy: float = 0.0
    balanced: float = 0.0


def outcome(one: Tested, test: str, side: str) -> Outcome:
    """Accuracy of a test, and its mean over active and inactive windows.

    An answer that cannot be read names no window, and so does an explanation that cannot be read.
    """
    explanation, answer = one.explanation, one.answers.get((test, side))
    if side == "own" and explanation is not None and explanation.answered and explanation.value is None:
        named, unread = frozenset[int](), True
    elif answer is None or not answer.answered:
        return Outcome(answered=False, unread=False)
    else:
        named, unread = answer.value or frozenset[int](), answer.value is None
    truth = one.truth
    hits, rejects = len(named & truth), HELD - len(named | truth)
    return Outcome(
        answered=True,
        unread=unread,
        accuracy=(hits + rejects) / HELD,
        balanced=(hits / len(truth) + rejects / (HELD - len(truth))) / 2,
    )


def describe(one: Tested) -> dict[str, Any]:
    """A latent for the details: what was said, where it is recorded, and what was right."""
    told: dict[str, Any] = {
        "latent": one.latent,
        "rate": one.rate,
        "windows": one.examples.windows,
        "shown": len(one.examples.shown),
        "active": sorted(one.truth),
        "explanation": one.explanation.value if one.explanation else None,
        "explanation_exchange": one.explanation.answer.exchange if one.explanation else None,
        "shuffled_from": one.partner,
    }
    for (test, side), answer in one.answers.items():
        told[f"{test}_{side}"] = {
            "named": None if answer.value is None else sorted(answer.value),
            "failure": answer.answer.failure or None,
            "exchange": answer.answer.exchange,
        }
    return told
