"""A direction that knows nothing: what the sign alone is worth."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch

from saebench.baselines.concepts.direction import ConceptDirection, linear
from saebench.baselines.concepts.method import Lesson, NamedMethod


class RandomDirection(NamedMethod):
    """A uniformly random unit vector for each concept; the training labels choose its sign."""

    name: ClassVar[str] = "random_direction"
    order_free: ClassVar[bool] = True
    role: ClassVar[Literal["random", "permuted"] | None] = "random"
    seed: int = 0
    """Another seed is another control."""

    def fit(self, lesson: Lesson) -> ConceptDirection:
        drawn = torch.randn(lesson.texts.width, generator=lesson.generator(f"direction {self.seed}"))
        return linear(drawn, lesson.texts, lesson.y, what="the drawn vector", free_sign=True)
