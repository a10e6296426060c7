"""DiffMean: the mean over all tokens of positive texts minus that over all tokens of negative ones."""

from __future__ import annotations

from typing import ClassVar

from saebench.baselines.concepts.direction import ConceptDirection, linear
from saebench.baselines.concepts.method import Lesson, NamedMethod


class DiffMean(NamedMethod):
    """w = u(mean of positive tokens - mean of negative tokens), so that long texts weigh more (AxBench)."""

    name: ClassVar[str] = "diffmean"
    order_free: ClassVar[bool] = True

    def fit(self, lesson: Lesson) -> ConceptDirection:
        tokens = lesson.texts.flat.double()
        positive = lesson.positive
        gap = tokens[positive].mean(0) - tokens[~positive].mean(0)
        return linear(gap, lesson.texts, lesson.y, what="the difference of means")
