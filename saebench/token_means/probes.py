"""Linear probes on token means: logistic regression whose penalty is chosen on validation texts, never on test texts.

Features are centred and divided by one number, the root of their mean variance, so that the geometry of the site stays
as it is; weights are given for raw activations. The problem is convex, so that no seed enters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Inverse penalties C of scikit-learn that are tried; of equally accurate ones the smallest is kept."""
ITERATIONS = 1000


@dataclass(frozen=True)
class Probe:
    """A direction and an offset: a text is positive where `means @ weights + bias > 0`."""

    weights: Array
    """`[d]` float64."""
    bias: float
    strength: float
    """Chosen C."""
    validation: float
    """Accuracy on the validation texts."""

    def scores(self, means: Array) -> Array:
        """`[n]` of means `[n, d]`."""
        return np.asarray(means @ self.weights + self.bias)


def fit_probe(means: Array, train: Array, y_train: Array, validation: Array, y_validation: Array) -> Probe:
    """Fit on the training texts with each penalty, keep what is best on the validation texts.

    Args:
        means: `[n, d]`.
        train, validation: indices into `means`.
        y_train, y_validation: labels, 0 or 1; both occur in training.
    """
    from sklearn.linear_model import LogisticRegression

    x = means[train]
    centre = x.mean(0)
    scale = float(np.sqrt(x.var(0).mean())) or 1.0
    best: Probe | None = None
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=ITERATIONS).fit((x - centre) / scale, y_train)
        weights = model.coef_[0] / scale
        bias = float(model.intercept_[0] - centre @ weights)
        probe = Probe(weights, bias, strength, 0.0)
        accuracy = float(((probe.scores(means[validation]) > 0) == y_validation).mean())
        if best is None or accuracy > best.validation:
            best = Probe(weights, bias, strength, accuracy)
    assert best is not None
    return best
