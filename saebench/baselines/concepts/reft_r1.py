"""ReFT-r1: one direction that detects, and steers by what it detects (Wu et al. 2025, arXiv 2501.17148)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from saebench.baselines.concepts.direction import ConceptDirection, linear
from saebench.baselines.concepts.method import Lesson, NamedMethod
from saebench.baselines.concepts.through_model import Batch, train_vector


class ReftR1(NamedMethod):
    """Detects by a_t = ReLU(<w, h_t>); adds the mean of the k largest a_t of a text, times w, to all its tokens.

    loss = cross-entropy of the texts' tokens + step / steps * .005 * sum over texts of the mean of the a_t that are not
    among the k largest. w has unit length and its gradient no part along it; scores are a_t.

    The labels do not enter the loss, only the words do. In AxBench positives are another model's texts and negatives
    the model's own, so that what predicts texts better also tells them apart; where both kinds are found texts, nothing
    asks the direction to be about the concept.
    """

    name: ClassVar[str] = "reft_r1"
    needs_model: ClassVar[bool] = True
    k: int = Field(default=8, ge=1)
    """Tokens whose detections steer."""
    texts: int = Field(default=48, ge=2)
    """At most so many training texts, both classes together (AxBench: 144)."""
    epochs: int = Field(default=3, ge=1)
    batch: int = Field(default=6, ge=1)
    lr: float = Field(default=0.01, gt=0)
    penalty: float = Field(default=0.005, ge=0)
    """Weight of the detections that do not steer, reached at the last step."""

    def fit(self, lesson: Lesson) -> ConceptDirection:
        chosen = lesson.balanced(self.texts)
        weights, losses = train_vector(
            lesson,
            lesson.texts.some(chosen),
            self.edited,
            epochs=self.epochs,
            batch=self.batch,
            lr=self.lr,
            unit_norm=True,
            penalty=self.penalty,
        )
        notes = {"texts": len(chosen), "loss_first": losses[0], "loss_last": losses[-1]}
        return linear(weights, lesson.texts, lesson.y, what="the trained vector", rectified=True, notes=notes)

    def edited(self, weights: Tensor, some: Batch) -> tuple[Tensor, Tensor]:
        """Edited activations and penalty of a batch."""
        detected = (some.x @ weights).relu() * some.mask
        top = detected.topk(min(self.k, detected.shape[1]), dim=1)
        counts = some.mask.sum(1)
        push = top.values.sum(1) / counts.clamp(max=self.k)
        others = detected.scatter(1, top.indices, 0.0)
        added = push[:, None, None] * weights * some.mask[..., None]
        return some.x + added, (others.sum(1) / counts).sum()
