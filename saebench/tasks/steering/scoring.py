"""What every text of a concept is scored with: the plain model's texts, a detector, and the scale of fluency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from saebench.lm.model import LanguageModel
from saebench.lm.steering import Continuations
from saebench.tasks.steering.detectors import Detector
from saebench.tasks.steering.measures import TOP, fluency, harmonic, kept, mean_over, novel, standing
from saebench.tasks.steering.reading import FloatArray, represented

IntArray = np.ndarray[Any, np.dtype[np.int64]]

STANDS_OUT = 0.5
"""Where the plain model's own texts stand out less by their instruction, in standard deviations, none can be kept."""
DEGENERATE = 0.5
"""A text with a larger share of repeated tokens is degenerate, and so is one without a token."""


@dataclass(frozen=True, eq=False)
class Topics:
    """How texts are held against instructions: representations `[n, width]` of the instructions, centred; the centre of
    the plain model's texts; and `full`, how far those stand out by their own instruction."""

    instructions: FloatArray
    centre: FloatArray
    full: float

    @classmethod
    def of(cls, instructions: FloatArray, texts: FloatArray) -> Topics:
        """From the representations of all instructions and of the plain model's text for each."""
        centred, centre = instructions - instructions.mean(0), texts.mean(0)
        stands = standing(texts - centre, centred, np.arange(len(texts)))
        return cls(centred, centre, float(stands.mean()))

    @property
    def lacking(self) -> str:
        """Why instruction scores cannot be had; empty where they can."""
        if self.full >= STANDS_OUT:
            return ""
        return f"the plain model's texts do not stand out by their instruction ({self.full:.2f} standard deviations)"


@dataclass(frozen=True, eq=False)
class Scorer:
    """Scores texts for one concept.

    Attributes:
        lm, site, context: how texts are read.
        detector: of the concept.
        topics: of the instructions.
        natural, shuffled: loss of the concept's texts as they are and shuffled, nats a token.
    """

    lm: LanguageModel
    site: str
    context: int
    detector: Detector
    topics: Topics
    natural: float
    shuffled: float

    def values(self, said: Continuations, own: IntArray) -> tuple[list[str], Mapping[str, FloatArray]]:
        """Texts, and values `[n]` by name (`curve.COLUMNS`).

        A text without a token has the scores 0.

        Args:
            said: `n` continuations.
            own: the instruction of each.
        """
        texts = said.texts(self.lm.tokenizer)
        means, readable = represented(self.lm, self.site, texts, self.context)
        concept = np.where(readable, TOP * self.detector.probability(texts, means), 0.0)
        stands = standing(means - self.topics.centre, self.topics.instructions, own)
        topic = np.where(readable, kept(stands, self.topics.full), 0.0)
        fluent = fluency(said.loss, said.tokens, said.counted, self.natural, self.shuffled)
        steps = said.counted.sum(1).numpy()
        repeated = 1 - novel(said.tokens, said.counted).sum(1).numpy() / np.maximum(steps, 1)
        return texts, {
            "concept": concept,
            "instruction": topic,
            "fluency": fluent,
            "harmonic": harmonic(concept, topic, fluent),
            "kl": np.where(steps > 0, mean_over(said.kl, said.counted), np.inf),
            "loss": mean_over(said.loss, said.counted),
            "repetition": repeated,
            "degenerate": (~readable | (repeated > DEGENERATE)).astype(np.float64),
        }


def stacked(rows: Sequence[Mapping[str, FloatArray]]) -> dict[str, FloatArray]:
    """Values by name, one row each."""
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
