"""What the words of a text say about its label, whatever their order: logistic regression on counts of words.

AxBench's lexical baseline (Wu et al. 2025, arXiv 2501.17148): scikit-learn's word counts as they come, L2 penalty with
C = 100. It reads texts and no model, so that it also finds negatives that share the words of the positives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from saebench.errors import DataError

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]

STRENGTH = 100.0
ITERATIONS = 1000


@dataclass(frozen=True, eq=False)
class BagOfWords:
    """A fitted model: log odds = offset + sum of the weights of a text's words. Made by `fit`.

    Attributes:
        vocabulary: words of the training texts.
        weights: of each of them, float64.
        offset: log odds of a text without a known word.
    """

    vocabulary: tuple[str, ...]
    weights: FloatArray
    offset: float

    @classmethod
    def fit(cls, texts: Sequence[str], y: IntArray) -> BagOfWords:
        """Fit on texts with labels 0 and 1.

        Raises:
            DataError: no text holds a word of two letters or digits.
        """
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.linear_model import LogisticRegression

        counter = CountVectorizer()
        try:
            counts = counter.fit_transform(texts)
        except ValueError as error:
            raise DataError("no text holds a word of two letters or digits") from error
        model = LogisticRegression(C=STRENGTH, max_iter=ITERATIONS).fit(counts, y)
        return cls(tuple(counter.get_feature_names_out().tolist()), model.coef_[0], float(model.intercept_[0]))

    def probability(self, texts: Sequence[str]) -> FloatArray:
        """Probability of label 1 for each text."""
        from sklearn.feature_extraction.text import CountVectorizer

        counts = CountVectorizer(vocabulary=self.vocabulary).transform(texts)
        chances: FloatArray = expit(counts @ self.weights + self.offset)
        return chances
