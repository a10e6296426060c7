"""L2-penalised logistic regression along a grid of strengths, by Newton's method with a certificate.

min over w, b of  C sum_i log(1 + exp(-s_i (x_i w + b))) + |w|^2 / 2,  s_i = +-1, the intercept b not penalised: the
objective of scikit-learn's LogisticRegression. It is strictly convex in w, so that the solution does not depend on a
solver. Latents are chosen before, so that an L1 penalty would have nothing left to choose; ridge keeps the fit smooth,
and each strength starts from the solution of the next stronger one. A fit ends when no entry of the gradient of the
mean loss exceeds `TOLERANCE`; one that does not get there is an error and never a silent half-fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import linalg, special

from saebench.errors import SubjectFailed

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

STRENGTHS = tuple(10.0**power for power in range(-4, 4))
"""The grid of C, strongest penalty first, for columns of unit variance."""
TOLERANCE = 1e-8
STEPS = 200
JITTER = 1e-12
"""Added to the curvature along the intercept, which vanishes where every row is predicted with certainty."""


def ridge_path(x: FloatArray, y: FloatArray, strengths: tuple[float, ...] = STRENGTHS) -> Iterator[FloatArray]:
    """Weights `[d + 1]`, the intercept last, for each strength in the order given.

    Args:
        x: `[n, d]`, columns of like scale.
        y: 0 or 1, `[n]`, both present.

    Raises:
        SubjectFailed: a fit did not converge.
    """
    wide = np.column_stack([x, np.ones(len(x))])
    weights = np.zeros(wide.shape[1])
    share = y.mean()
    weights[-1] = np.log(share / (1 - share))
    for strength in strengths:
        weights = _newton(wide, y, 1.0 / (strength * len(y)), weights)
        yield weights


def predict(x: FloatArray, weights: FloatArray) -> FloatArray:
    """Log odds `[n]` of class 1."""
    log_odds: FloatArray = x @ weights[:-1] + weights[-1]
    return log_odds


def _newton(x: FloatArray, y: FloatArray, penalty: float, start: FloatArray) -> FloatArray:
    """Minimise mean loss + penalty |w|^2 / 2 from `start`."""
    weights = start
    ridge = np.full(x.shape[1], penalty)
    ridge[-1] = 0.0
    margin = x @ weights
    value = _objective(margin, y, weights, ridge)
    for _ in range(STEPS):
        p = special.expit(margin)
        gradient = x.T @ (p - y) / len(y) + ridge * weights
        if np.abs(gradient).max() <= TOLERANCE:
            return weights
        curved = x * (p * (1 - p) / len(y))[:, None]
        hessian = x.T @ curved
        hessian[np.diag_indices_from(hessian)] += ridge + JITTER
        step = linalg.solve(hessian, gradient, assume_a="pos", check_finite=False)
        ahead = x @ step
        size = 1.0
        while True:
            trial = weights - size * step
            reached = _objective(margin - size * ahead, y, trial, ridge)
            if reached <= value - 1e-4 * size * (gradient @ step) or size < 1e-4:
                break
            size /= 2
        weights, margin, value = trial, margin - size * ahead, reached
    raise SubjectFailed(f"a logistic probe did not converge in {STEPS} Newton steps")


def _objective(margin: FloatArray, y: FloatArray, weights: FloatArray, ridge: FloatArray) -> float:
    loss = np.logaddexp(0.0, margin) - y * margin
    return float(loss.mean() + (ridge * weights * weights).sum() / 2)
