"""Linear probe: logistic regression on tokens, each labelled as its text is."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from saebench.baselines.concepts.direction import ConceptDirection, Projection, linear, unit_of
from saebench.baselines.concepts.method import Lesson, NamedMethod
from saebench.errors import SubjectFailed
from saebench.stats.auroc import auc

STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Weights of the mean loss against the penalty: scikit-learn's C times the number of tokens."""
HELD = 5
"""One training text in so many is held out to choose the penalty."""
ITERATIONS = 1000


class Probe(NamedMethod):
    """The normal of a logistic regression, the offset left out (AxBench).

    Tokens are centred and divided by one number, so that the geometry of the site stays as it is. The penalty is the
    one with the best AUROC (largest token score) on one training text in five, the stronger among equals; then all
    training texts are fitted. The problem is convex: the solution depends on no seed and no learning rate, which is why
    scikit-learn solves it here and not AxBench's AdamW with a unit-norm weight.
    """

    name: ClassVar[str] = "probe"
    penalty: Literal["l2", "l1"] = "l2"
    """l1: few dimensions."""

    def fit(self, lesson: Lesson) -> ConceptDirection:
        texts, y = lesson.texts, lesson.y
        held = held_out(y)
        kept = np.flatnonzero(~held)
        strength, reached = STRENGTHS[1], None
        if held.any():
            seen, asked = texts.some(kept), texts.some(np.flatnonzero(held))
            labels = y[kept][seen.owner]
            for one in STRENGTHS:
                weights = self._weights(seen.flat, labels, one, lesson)
                if not weights.any():
                    continue
                reader = Projection(unit_of(torch.from_numpy(weights), "the probe"))
                area = auc(reader.texts(asked, "max"), y[held])
                if reached is None or area > reached:
                    strength, reached = one, area
        weights = self._weights(texts.flat, y[texts.owner], strength, lesson)
        notes = {"strength": strength, "validation_auroc": reached, "dimensions": int((weights != 0).sum())}
        return linear(torch.from_numpy(weights), texts, y, what="the probe", notes=notes)

    def _weights(self, tokens: torch.Tensor, labels: Any, strength: float, lesson: Lesson) -> Any:
        """Normal of the boundary, for raw activations, `[d]` float64."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        x = tokens.double().numpy()
        x = x - x.mean(0)
        scale = float(np.sqrt((x * x).mean()))
        if scale == 0:
            raise SubjectFailed("all tokens have the same activation")
        solver = (
            {"solver": "lbfgs"}
            if self.penalty == "l2"
            else {"solver": "liblinear", "l1_ratio": 1.0, "random_state": lesson.number("l1")}
        )
        model = LogisticRegression(C=strength / len(x), max_iter=ITERATIONS, **solver)
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            try:
                model.fit(x / scale, labels)
            except ConvergenceWarning as error:
                raise SubjectFailed(f"the probe did not converge in {ITERATIONS} iterations") from error
        return model.coef_[0] / scale


def held_out(y: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which texts choose the penalty: the last fifth of each class; none where a class would keep fewer than two."""
    held = np.zeros(len(y), dtype=np.bool_)
    for label in (0, 1):
        rows = np.flatnonzero(y == label)
        size = len(rows) // HELD
        if size == 0 or len(rows) - size < 2:
            return np.zeros(len(y), dtype=np.bool_)
        held[rows[-size:]] = True
    return held
