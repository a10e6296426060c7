"""What a concept method finds: a unit direction, a score for each token, and how far tokens reach along it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from saebench.baselines.concepts.texts import ConceptTexts, FloatArray, IntArray, Pooling
from saebench.errors import SubjectFailed


class Reader(Protocol):
    """How texts are scored."""

    def tokens(self, texts: ConceptTexts) -> FloatArray | None:
        """A score for each token that counts, `[tokens]`; None where only whole texts have scores."""

    def texts(self, texts: ConceptTexts, pooling: Pooling) -> FloatArray:
        """A score for each text, `[n]`."""


class TokenReader:
    """Base of readers that score tokens and pool them."""

    def tokens(self, texts: ConceptTexts) -> FloatArray:
        """A score for each token that counts, `[tokens]`."""
        raise NotImplementedError

    def texts(self, texts: ConceptTexts, pooling: Pooling) -> FloatArray:
        """The maximum or the mean over a text's tokens, `[n]`."""
        return texts.pooled(self.tokens(texts), pooling)


@dataclass(frozen=True, eq=False)
class Projection(TokenReader):
    """`<w, h_t>`, or `ReLU(<w, h_t>)` where `rectified`; w is the unit direction `[d]`, float32."""

    direction: Tensor
    rectified: bool = False

    def tokens(self, texts: ConceptTexts) -> FloatArray:
        scores = (texts.flat @ self.direction).double()
        return np.asarray((scores.relu() if self.rectified else scores).numpy())


@dataclass(frozen=True)
class Magnitude:
    """How far training tokens reach along the direction, in units of the activation: what a steering factor multiplies.

    Each is a statistic of `reach` = token score x length of the vector that one unit of it stands for.
    """

    peak: float
    """Largest reach in a positive text: AxBench's factor, taken from training texts instead of test texts."""
    typical_peak: float
    """Mean over positive texts of their largest reach."""
    positive: float
    """Mean reach of the tokens of positive texts."""
    negative: float
    """Mean reach of the tokens of negative texts."""
    length: float
    """Mean length of the activations of positive texts' tokens, for comparison."""

    @classmethod
    def of(cls, reach: FloatArray, texts: ConceptTexts, y: IntArray) -> Magnitude:
        """From the reach of each token of the training texts."""
        peaks = texts.pooled(reach, "max")[y == 1]
        positive = y[texts.owner] == 1
        lengths = texts.flat.norm(dim=1).double().numpy()
        return cls(
            peak=float(peaks.max()),
            typical_peak=float(peaks.mean()),
            positive=float(reach[positive].mean()),
            negative=float(reach[~positive].mean()),
            length=float(lengths[positive].mean()),
        )


@dataclass(frozen=True, eq=False)
class ConceptDirection:
    """A fitted concept.

    Attributes:
        direction: unit vector `[d]`, float32 on the CPU, that points towards the concept; None where there is none.
        sign: -1 where the training labels turned round what the method found, else 1; it is in `direction` and scores
            already.
        reader: scores texts; higher means that the concept is there.
        magnitude: reach of the training tokens; None where there is no direction.
        lacking: why there is no direction.
        notes: JSON values about the fit (the latent that was chosen, the penalty).
    """

    direction: Tensor | None
    sign: int
    reader: Reader
    magnitude: Magnitude | None
    lacking: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)

    def unit(self) -> Tensor:
        """The direction.

        Raises:
            SubjectFailed: there is none, with the reason.
        """
        if self.direction is None:
            raise SubjectFailed(self.lacking)
        return self.direction

    def token_scores(self, texts: ConceptTexts) -> FloatArray | None:
        """A score for each token that counts; None where only whole texts have scores."""
        return self.reader.tokens(texts)

    def text_scores(self, texts: ConceptTexts, pooling: Pooling) -> FloatArray:
        """A score for each text.

        Raises:
            SubjectFailed: a score is not finite.
        """
        scores = self.reader.texts(texts, pooling)
        if not np.isfinite(scores).all():
            raise SubjectFailed("a score is NaN or infinite")
        return scores


def unit_of(vector: Tensor, what: str) -> Tensor:
    """`vector` / its length, float32 on the CPU.

    Raises:
        SubjectFailed: it has no length, or is not finite.
    """
    exact = vector.detach().cpu().double()
    length = float(exact.norm())
    if not np.isfinite(length) or length <= torch.finfo(torch.float32).tiny:
        raise SubjectFailed(f"{what} has no direction: its length is {length:g}")
    return (exact / length).float()


def oriented(vector: Tensor, texts: ConceptTexts, y: IntArray) -> int:
    """1 where tokens of positive texts lie further along `vector` `[d]` than others in the mean, else -1."""
    reach = (texts.flat @ vector.float()).double().numpy()
    positive = y[texts.owner] == 1
    return 1 if reach[positive].mean() >= reach[~positive].mean() else -1


def linear(
    vector: Tensor,
    texts: ConceptTexts,
    y: IntArray,
    *,
    what: str,
    free_sign: bool = False,
    rectified: bool = False,
    notes: Mapping[str, Any] | None = None,
) -> ConceptDirection:
    """A concept that is a vector `[d]`.

    Args:
        vector: of any length.
        texts, y: the training texts.
        what: names it in errors.
        free_sign: the method does not know where the concept is: the labels say.
        rectified: scores below 0 are 0.
        notes: about the fit.

    Raises:
        SubjectFailed: the vector has no length, or is not finite.
    """
    direction = unit_of(vector, what)
    sign = oriented(direction, texts, y) if free_sign else 1
    direction = sign * direction
    reach = Projection(direction).tokens(texts)
    return ConceptDirection(
        direction,
        sign,
        Projection(direction, rectified),
        Magnitude.of(reach, texts, y),
        notes=dict(notes or {}),
    )
