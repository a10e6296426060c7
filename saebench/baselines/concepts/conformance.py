"""Does a concept method keep the contract? A toy lesson, and what every task relies on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from saebench.baselines.concepts.direction import ConceptDirection
from saebench.baselines.concepts.fitting import lesson_of_texts
from saebench.baselines.concepts.keeping import from_arrays, to_arrays
from saebench.baselines.concepts.method import ConceptMethod, Lesson
from saebench.dictionaries.conformance import Finding
from saebench.errors import InputError, SubjectFailed
from saebench.stats.auroc import auc

if TYPE_CHECKING:
    from saebench.lm.model import LanguageModel

SEA = ("harbour", "sailor", "tide", "anchor", "ferry", "lighthouse", "whale", "reef", "captain", "storm")
MONEY = ("budget", "banker", "loan", "tax", "market", "invoice", "wage", "auditor", "pension", "price")
FRAMES = ("We spoke about the {} for an hour.", "Nobody had expected the {} to matter so much.")
TOLERANCE = 1e-4
"""Relative difference that rounding may make between texts scored together and alone."""


def toy_lesson(lm: LanguageModel, site: str) -> Lesson:
    """Twenty sentences about the sea and twenty about money, in turn, at a site of a model."""
    texts = [frame.format(word) for pair in zip(SEA, MONEY, strict=True) for frame in FRAMES for word in pair]
    return lesson_of_texts(lm, site, texts, np.array([1, 0] * (len(texts) // 2)))


def check_concept(method: ConceptMethod, lesson: Lesson) -> list[Finding]:
    """Check a method on a lesson: one finding a check; the list ends early where it cannot be fitted."""
    try:
        found, again = method.fit(lesson), method.fit(lesson)
    except (SubjectFailed, InputError) as error:
        return [Finding("it can be fitted", False, str(error))]
    return list(_findings(method, lesson, found, again))


def _findings(
    method: ConceptMethod, lesson: Lesson, found: ConceptDirection, again: ConceptDirection
) -> Iterator[Finding]:
    scores = found.text_scores(lesson.texts, "max")
    yield Finding("it can be fitted", True, f"training AUROC {auc(scores, lesson.y):.3f} on {len(lesson.y)} texts")
    yield _direction(found, lesson)
    same = bool((again.text_scores(lesson.texts, "max") == scores).all())
    yield Finding("a second fit is the same", same, "equal scores" if same else "other scores")
    kept = from_arrays(to_arrays(found), method.dictionary).text_scores(lesson.texts, "max")
    yield Finding("kept and read back it scores alike", bool((kept == scores).all()), "as named arrays")
    yield _alone(found, lesson, scores)
    yield _order(method, lesson, found)


def _direction(found: ConceptDirection, lesson: Lesson) -> Finding:
    name = "its direction is a finite unit vector"
    if found.direction is None:
        return Finding(name, bool(found.lacking), f"none: {found.lacking or 'no reason is given'}")
    length = float(found.direction.norm())
    right = list(found.direction.shape) == [lesson.texts.width] and abs(length - 1) < TOLERANCE
    return Finding(name, right, f"shape {list(found.direction.shape)}, length {length:.6f}")


def _alone(found: ConceptDirection, lesson: Lesson, scores: np.ndarray) -> Finding:
    """A text's score does not depend on the texts beside it."""
    alone = np.concatenate([found.text_scores(lesson.texts.some(np.array([row])), "max") for row in range(8)])
    worst = float(np.abs(alone - scores[:8]).max() / max(float(np.abs(scores).max()), 1e-30))
    return Finding(
        "a text's score does not depend on others", worst < TOLERANCE, f"differs by {worst:.1e} of the scale"
    )


def _order(method: ConceptMethod, lesson: Lesson, found: ConceptDirection) -> Finding:
    """The order of the training texts does not matter, where the method claims so."""
    name = "the order of training texts does not matter"
    if not method.order_free:
        return Finding(name, True, "not claimed: it draws among them")
    order = np.arange(len(lesson.y))[::-1].copy()
    turned = method.fit(replace(lesson, texts=lesson.texts.some(order), y=lesson.y[order]))
    scores, others = (one.text_scores(lesson.texts, "max") for one in (found, turned))
    worst = float(np.abs(scores - others).max() / max(float(np.abs(scores).max()), 1e-30))
    return Finding(name, worst < TOLERANCE, f"scores differ by {worst:.1e} of their scale")
