"""Bag of words: a detector without a direction, which reads no activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from saebench.baselines.concepts.direction import ConceptDirection
from saebench.baselines.concepts.method import Lesson, NamedMethod
from saebench.baselines.concepts.texts import ConceptTexts, FloatArray, Pooling
from saebench.data.bag_of_words import BagOfWords


@dataclass(frozen=True, eq=False)
class WordReader:
    """The probability that a bag of words gives to a text, whatever the pooling."""

    words: BagOfWords

    def tokens(self, texts: ConceptTexts) -> None:
        """Single tokens have no score."""
        return

    def texts(self, texts: ConceptTexts, pooling: Pooling) -> FloatArray:
        """`[n]`, between 0 and 1."""
        return self.words.probability(texts.strings)


class Words(NamedMethod):
    """Logistic regression on counts of words: what anyone could tell without a model. Detection alone."""

    name: ClassVar[str] = "bow"
    order_free: ClassVar[bool] = True

    def fit(self, lesson: Lesson) -> ConceptDirection:
        words = BagOfWords.fit(lesson.texts.strings, lesson.y)
        lacking = "a bag of words has no direction in activations"
        return ConceptDirection(None, 1, WordReader(words), None, lacking, {"words": len(words.vocabulary)})
