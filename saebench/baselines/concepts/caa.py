"""CAA: the difference of means at one position, the last token of each text."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from saebench.baselines.concepts.direction import ConceptDirection, linear
from saebench.baselines.concepts.method import Lesson, NamedMethod


class LastTokens(NamedMethod):
    """Contrastive activation addition (Rimsky et al. 2024, arXiv 2312.06681) on texts that are no pairs."""

    name: ClassVar[str] = "caa"
    order_free: ClassVar[bool] = True

    def fit(self, lesson: Lesson) -> ConceptDirection:
        last = lesson.texts.flat[np.cumsum(lesson.texts.counts) - 1].double()
        gap = last[lesson.y == 1].mean(0) - last[lesson.y == 0].mean(0)
        return linear(gap, lesson.texts, lesson.y, what="the difference of last tokens")
