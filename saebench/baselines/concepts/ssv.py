"""SSV: a supervised steering vector, trained to make the positive texts more likely."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field
from torch import Tensor

from saebench.baselines.concepts.direction import ConceptDirection, linear
from saebench.baselines.concepts.method import Lesson, NamedMethod
from saebench.baselines.concepts.through_model import Batch, train_vector


class SteeringVector(NamedMethod):
    """v, added to every token that counts, with which the model predicts the positive texts best (AxBench's SSV).

    loss = cross-entropy of the tokens of positive texts; v has any length, which the notes give. Negatives are not
    read. Scores are projections on v / |v|.
    """

    name: ClassVar[str] = "ssv"
    needs_model: ClassVar[bool] = True
    texts: int = Field(default=24, ge=1)
    """At most so many positive texts (AxBench: 72)."""
    epochs: int = Field(default=3, ge=1)
    batch: int = Field(default=6, ge=1)
    lr: float = Field(default=0.01, gt=0)

    def fit(self, lesson: Lesson) -> ConceptDirection:
        chosen = np.flatnonzero(lesson.y == 1)[: self.texts]
        weights, losses = train_vector(
            lesson,
            lesson.texts.some(chosen),
            added,
            epochs=self.epochs,
            batch=self.batch,
            lr=self.lr,
            unit_norm=False,
        )
        notes = {
            "texts": len(chosen),
            "trained_length": float(weights.norm()),
            "loss_first": losses[0],
            "loss_last": losses[-1],
        }
        return linear(weights, lesson.texts, lesson.y, what="the trained vector", notes=notes)


def added(weights: Tensor, some: Batch) -> tuple[Tensor, Tensor]:
    """Activations with the vector added to the tokens that count, and no penalty."""
    return some.x + weights * some.mask[..., None], weights.new_zeros(())
