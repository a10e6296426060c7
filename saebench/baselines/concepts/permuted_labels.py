"""A method that was taught nothing: its training labels say nothing about the texts."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from saebench.baselines.concepts import CONCEPTS
from saebench.baselines.concepts.direction import ConceptDirection
from saebench.baselines.concepts.method import Lesson, NamedMethod
from saebench.baselines.concepts.texts import IntArray


class PermutedLabels(NamedMethod):
    """Another method, fitted on labels of which half are wrong in either kind of text, drawn at random."""

    name: ClassVar[str] = "permuted_labels"
    role: ClassVar[Literal["random", "permuted"] | None] = "permuted"
    of: Literal["diffmean", "probe", "caa", "bow"] = "diffmean"
    """The method."""
    seed: int = 0
    """Another seed is another control."""

    def fit(self, lesson: Lesson) -> ConceptDirection:
        shuffled = half_wrong(lesson.y, np.random.default_rng(lesson.number(f"labels {self.seed}")))
        return CONCEPTS.get(self.of)().fit(replace(lesson, y=shuffled))


def half_wrong(y: IntArray, rng: np.random.Generator) -> IntArray:
    """Labels that do not depend on `y`: in each kind of text half are turned round, rounded up, drawn at random.

    A free permutation leaves a chance correlation with the truth, on which a strong concept feeds.
    """
    wrong = y.copy()
    for label in (0, 1):
        rows = rng.permutation(np.flatnonzero(y == label))
        wrong[rows[: -(-len(rows) // 2)]] = 1 - label
    return wrong
