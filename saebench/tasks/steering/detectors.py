"""Detectors of a concept in a text, which know neither the method nor the activations that were steered.

A detector reads words: either a bag of them, or the plain model's mean activation over them at a later site. It is
fitted on texts that no method is fitted on, and judged on yet others. The plain model's answers to other instructions
are negatives besides, since a detector of headlines that has seen headlines alone takes an essay for anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from scipy.special import expit

from saebench.data.bag_of_words import BagOfWords
from saebench.lm.model import LanguageModel
from saebench.stats.auroc import auc
from saebench.tasks.steering.reading import represented

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]
Arrays = dict[str, np.ndarray[Any, Any]]
Kind = Literal["probe", "words"]

HELD = 3
"""One text in so many judges the detector and does not fit it."""
STRENGTHS = tuple(float(one) for one in np.logspace(-4, 1, 11))
"""Inverse penalties of the probe; the best by the log loss of five folds."""
FOLDS = 5
ITERATIONS = 2000


class Detector(Protocol):
    """Gives texts a probability of bearing the concept."""

    def probability(self, texts: Sequence[str], means: FloatArray) -> FloatArray:
        """`[n]`, from the texts or their mean activations `[n, width]`."""


@dataclass(frozen=True, eq=False)
class Words:
    """A bag of words."""

    words: BagOfWords

    def probability(self, texts: Sequence[str], means: FloatArray) -> FloatArray:
        """From the texts."""
        return self.words.probability(texts)

    def arrays(self) -> Arrays:
        """What `detector_of` reads back."""
        vocabulary = np.array(self.words.vocabulary)
        return {"vocabulary": vocabulary, "weights": self.words.weights, "offset": np.array(self.words.offset)}


@dataclass(frozen=True, eq=False)
class Probe:
    """Logistic regression on mean activations: weights `[width]` and an offset."""

    weights: FloatArray
    offset: float

    @classmethod
    def fit(cls, means: FloatArray, y: IntArray) -> Probe:
        """Fit on standardised means, classes of equal weight, with the penalty of the best log loss in five folds."""
        from sklearn.linear_model import LogisticRegressionCV

        scale = means.std(0)
        scale = np.where(scale > 0, scale, 1)
        folds = int(min(FOLDS, np.bincount(y, minlength=2).min()))
        model = LogisticRegressionCV(
            Cs=STRENGTHS,
            cv=folds,
            scoring="neg_log_loss",
            l1_ratios=(0.0,),
            use_legacy_attributes=False,
            max_iter=ITERATIONS,
            class_weight="balanced",
        )
        model.fit((means - means.mean(0)) / scale, y)
        weights = model.coef_[0] / scale
        return cls(weights, float(model.intercept_[0] - means.mean(0) @ weights))

    def probability(self, texts: Sequence[str], means: FloatArray) -> FloatArray:
        """From the activations."""
        return np.asarray(expit(means @ self.weights + self.offset))

    def arrays(self) -> Arrays:
        """What `detector_of` reads back."""
        return {"weights": self.weights, "offset": np.array(self.offset)}


def detector_of(arrays: Arrays) -> Detector:
    """The detector whose `arrays` these are."""
    offset = float(arrays["offset"])
    if "vocabulary" in arrays:
        return Words(BagOfWords(tuple(arrays["vocabulary"].tolist()), arrays["weights"], offset))
    return Probe(arrays["weights"], offset)


def taught(
    kind: Kind, texts: Sequence[str], y: IntArray, others: Sequence[str], lm: LanguageModel, site: str, context: int
) -> Arrays:
    """A detector as arrays, with its `auroc` on every third text of either class, which does not fit it.

    Args:
        kind: which.
        texts, y: in an order that is already random, with labels 0 and 1; three of each class and more.
        others: texts that do not bear the concept, to be fitted on as well.
        lm, site, context: how texts are read.
    """
    held = np.append(held_out(y), np.zeros(len(others), dtype=np.bool_))
    texts, y = [*texts, *others], np.append(y, np.zeros(len(others), dtype=np.int64))
    means, _ = represented(lm, site, texts, context)
    fit, judged = np.flatnonzero(~held), np.flatnonzero(held)
    detector: Words | Probe
    if kind == "words":
        detector = Words(BagOfWords.fit([texts[row] for row in fit.tolist()], y[fit]))
    else:
        detector = Probe.fit(means[fit], y[fit])
    chances = detector.probability([texts[row] for row in judged.tolist()], means[judged])
    return {**detector.arrays(), "auroc": np.array(auc(chances, y[judged])), "fitted_on": np.array(len(fit))}


def held_out(y: IntArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Every third text of either class."""
    held = np.zeros(len(y), dtype=np.bool_)
    for label in (0, 1):
        held[np.flatnonzero(y == label)[HELD - 1 :: HELD]] = True
    return held
