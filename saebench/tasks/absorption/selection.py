"""Which latents stand for a letter: L1-penalised logistic regression on codes, then regressions on the best k.

sae-bench minimises, for each letter, mean_n c_n BCE_n + .01 sum_i |w_i| (c_n: negatives / positives on positives, 1 on
negatives) by 50 epochs of Adam from a random start, and takes the latents with the largest w_i. Two things differ here.
The same objective is minimised by an accelerated proximal gradient method from zero, so that neither a seed nor the
order of latents matters. And latents are taken by what they add to the letter's words, w_i x mean code on them: at the
minimum a latent that fires on a single training word has a weight as large as the letter's own latent.

Codes are multiplied by the length of their atom and divided by the size of the site's coordinates first: a latent's
pair of code and atom may be scaled without effect, and the penalty means the same for every model.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array, diags_array, issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from saebench.tasks.absorption.probes import f1_of

Array = np.ndarray[Any, Any]
Matrix = csr_array | Array
"""Scaled codes `[n, d_dict]`: sparse where few are active."""

ITERATIONS = 2000
TOLERANCE = 1e-5
"""The solver stops when no weight moved by more than this share of the largest one."""
DENSE_ABOVE = 0.2
"""Share of active codes above which a matrix is faster."""


@dataclass(frozen=True, eq=False)
class KSparse:
    """The probes of one letter on its best 1, 2, ... latents.

    Attributes:
        latents: `[k_max]`, best first.
        f1: `[k_max]`, on held-out words, of the probe on the first k.
    """

    latents: tuple[int, ...]
    f1: tuple[float, ...]

    def main(self, jump: float) -> tuple[int, ...]:
        """The latents that the letter is split into: the first one, then one more as long as F1 rises by > `jump`."""
        count = 1
        while count < len(self.f1) and self.f1[count] > self.f1[count - 1] + jump:
            count += 1
        return self.latents[:count]


def scores_of_latents(codes: Matrix, positive: Array, penalty: float, signed: bool) -> Array:
    """How much each latent speaks for each question: `[d_dict, questions]`, larger is better.

    Above 0 for latents with a positive weight: weight x mean code over the question's positives. Below 0 for those
    without weight, by how far the slope is from giving them one; minus infinity for latents that never fire.

    Args:
        codes: scaled, `[n, d_dict]`.
        positive: bool `[n, questions]`.
        penalty: on the sum of absolute weights.
        signed: the sign of a latent is a convention, so that the sizes of weight and code count.
    """
    n = codes.shape[0]
    wanted = positive.astype(np.float64)
    cost = np.where(positive, (n - wanted.sum(0)) / np.maximum(wanted.sum(0), 1), 1.0) / n
    sizes: Matrix = abs(codes)  # type: ignore[assignment]
    size = np.asarray(sizes.sum(1)).reshape(-1, 1) + 1.0
    # Diagonal bounds of the curvature: X'CX is at most the diagonal matrix of |X|' C |X| 1.
    curvature = 0.25 * (sizes.T @ (cost * size))
    steps = 1 / np.where(curvature > 0, curvature, np.inf)
    bias_step = 1 / (0.25 * (cost * size).sum(0))

    def slopes(w: Array, b: Array) -> tuple[Array, Array]:
        error = cost * (1 / (1 + np.exp(-(codes @ w + b))) - wanted)
        return codes.T @ error, error.sum(0)

    w = w_ahead = np.zeros((codes.shape[1], positive.shape[1]))
    b = b_ahead = np.zeros(positive.shape[1])
    momentum = 1.0
    raw = w
    for _ in range(ITERATIONS):
        slope, bias_slope = slopes(w_ahead, b_ahead)
        raw = w_ahead - steps * slope
        w_next = np.sign(raw) * np.maximum(np.abs(raw) - penalty * steps, 0)
        b_next = b_ahead - bias_step * bias_slope
        moved = np.abs(w_next - w).max(initial=0.0)
        # A step against the momentum begins it anew (O'Donoghue and Candes 2015).
        if ((w_ahead - w_next) * (w_next - w)).sum() + ((b_ahead - b_next) * (b_next - b)).sum() > 0:
            momentum = 1.0
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        carry = (momentum - 1) / following
        w_ahead, b_ahead = w_next + carry * (w_next - w), b_next + carry * (b_next - b)
        w, b, momentum = w_next, b_next, following
        if moved <= TOLERANCE * np.abs(w).max(initial=1e-12):
            break
    weight = (np.abs(raw) if signed else raw) - penalty * steps
    usual = ((sizes if signed else codes).T @ wanted) / np.maximum(wanted.sum(0), 1)
    return np.where(weight > 0, weight * usual, np.where(curvature > 0, weight, -np.inf))


def k_sparse_probes(
    codes: Matrix, positive: Array, held_out: Matrix, held_positive: Array, ranks: Array, k_max: int
) -> KSparse:
    """Logistic regressions (L2 with C = 1, classes balanced) on a letter's best 1, 2, ..., `k_max` latents.

    A fit that has not converged after 500 iterations is used as it is, as in sae-bench.

    Args:
        codes, held_out: scaled codes of training and held-out words.
        positive, held_positive: bool, which of them have the letter.
        ranks: `[d_dict]`, how much each latent speaks for the letter.
    """
    latents = np.argsort(-ranks, kind="stable")[:k_max]
    train, test = (as_dense(matrix[:, latents]) for matrix in (codes, held_out))
    found = []
    for k in range(1, len(latents) + 1):
        probe = LogisticRegression(max_iter=500, class_weight="balanced")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            probe.fit(train[:, :k], positive)
        found.append(f1_of(held_positive, probe.predict(test[:, :k])))
    return KSparse(tuple(latents.tolist()), tuple(found))


def scaled(codes: Matrix, scale: Array) -> Matrix:
    """Each latent's codes times its number."""
    made: Matrix = codes @ diags_array(scale) if issparse(codes) else codes * scale
    return made


def l0(codes: Matrix) -> Array:
    """Active latents of each word, `[n]`."""
    return np.asarray(codes.count_nonzero(axis=1) if issparse(codes) else np.count_nonzero(codes, axis=1))


def as_matrix(codes: csr_array) -> Matrix:
    """The faster kind for these codes."""
    return codes.toarray() if codes.nnz > DENSE_ABOVE * codes.shape[0] * codes.shape[1] else codes


def as_dense(codes: Matrix) -> Array:
    """A numpy array."""
    dense: Array = codes.toarray() if issparse(codes) else codes
    return dense
