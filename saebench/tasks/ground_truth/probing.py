"""The best single latent and threshold for each feature, chosen on half of the documents and scored on the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

Array = np.ndarray[Any, Any]

TRIED = 5
"""Latents whose thresholds are tried for a feature: those whose codes correlate most with its being on."""
CHUNK = 512
"""Features at a time."""


def probe_f1(codes: sparse.csc_array, on: sparse.csc_array, chooses: Array, least: int) -> tuple[Array, Array]:
    """F1 of each feature's best single latent on the samples that did not choose it.

    A latent predicts that the feature is on where its code (its negative, where the correlation is) is at least the
    threshold, and is active.

    Args:
        codes: `[n, L]`.
        on: 1 where a feature is on, `[n, F]`.
        chooses: which samples choose latent and threshold, bool `[n]`.
        least: a feature counts where it is on in so many samples of either half.

    Returns:
        F1 `[F]`, and which features count, bool `[F]`. A feature that no latent correlates with has F1 0.
    """
    choose, score = np.flatnonzero(chooses), np.flatnonzero(~chooses)
    rows = sparse.csr_array(codes)
    first, second = sparse.csc_array(rows[choose]), sparse.csc_array(rows[score])
    truth = sparse.csr_array(on)
    wanted, held = sparse.csc_array(truth[choose]), sparse.csc_array(truth[score])
    counted = (np.diff(wanted.indptr) >= least) & (np.diff(held.indptr) >= least)
    f1 = np.zeros(on.shape[1])
    for start in range(0, on.shape[1], CHUNK):
        features = np.arange(start, min(start + CHUNK, on.shape[1]))
        related = correlations(first, sparse.csc_array(wanted[:, features]))
        tried = strongest(np.abs(related))
        for place, feature in enumerate(features.tolist()):
            if counted[feature]:
                signs = {int(latent): float(np.sign(related[latent, place])) for latent in tried[:, place]}
                f1[feature] = _score(first, second, column(wanted, feature)[0], column(held, feature)[0], signs)
    return f1, counted


def correlations(codes: sparse.csc_array, on: sparse.csc_array) -> Array:
    """Pearson correlation of each latent's code with each feature's being on, `[L, F]`; 0 where one is constant."""
    n = codes.shape[0]
    wide = codes.astype(np.float64)
    total, square = np.asarray(wide.sum(0)).ravel(), np.asarray(wide.power(2).sum(0)).ravel()
    fired = np.asarray(on.sum(0)).ravel()
    covariance = (wide.T @ on).toarray() / n - np.outer(total / n, fired / n)
    variance = np.outer(square / n - (total / n) ** 2, fired / n - (fired / n) ** 2)
    sound = variance > 1e-24
    scale = np.sqrt(np.where(sound, variance, 1.0))
    related: Array = np.divide(covariance, scale, out=np.zeros(variance.shape), where=sound)
    return related


def strongest(related: Array) -> Array:
    """The rows with the largest values of each column, `[at most TRIED, columns]`, largest first."""
    if len(related) > TRIED:
        rows = np.argpartition(-related, TRIED, axis=0)[:TRIED]
    else:
        rows = np.broadcast_to(np.arange(len(related))[:, None], related.shape)
    order = np.argsort(-np.take_along_axis(related, rows, 0), axis=0, kind="stable")
    return np.take_along_axis(rows, order, 0)


def column(matrix: sparse.csc_array, place: int) -> tuple[Array, Array]:
    """Rows and values of what is stored in one column."""
    part = slice(matrix.indptr[place], matrix.indptr[place + 1])
    return matrix.indices[part], matrix.data[part]


def _score(
    first: sparse.csc_array, second: sparse.csc_array, wanted: Array, held: Array, signs: dict[int, float]
) -> float:
    """F1 on the second half of the latent and threshold that are best on the first."""
    best, chosen = 0.0, None
    positive, tested = _mark(wanted, first.shape[0]), _mark(held, second.shape[0])
    for latent, sign in signs.items():
        rows, values = column(first, latent)
        threshold, value = best_threshold(sign * values, positive[rows], len(wanted))
        if value > best:
            best, chosen = value, (latent, sign, threshold)
    if chosen is None:
        return 0.0
    latent, sign, threshold = chosen
    rows, values = column(second, latent)
    predicted = rows[sign * values >= threshold]
    return 2 * int(tested[predicted].sum()) / (len(predicted) + len(held))


def _mark(rows: Array, n: int) -> Array:
    """True at some of n rows."""
    mark = np.zeros(n, dtype=bool)
    mark[rows] = True
    return mark


def best_threshold(values: Array, positive: Array, positives: int) -> tuple[float, float]:
    """The threshold on `values` `[m]` with the largest F1, and that F1; the highest such threshold.

    It lies midway to the next lower value, or to 0, the value of what is not active, where that comes next.

    Args:
        values: of the samples that may be predicted.
        positive: which of them are positive, bool `[m]`.
        positives: positives altogether, those that cannot be predicted included.
    """
    if not len(values):
        return np.inf, 0.0
    order = np.argsort(-values, kind="stable")
    ordered = values[order]
    f1 = 2 * np.cumsum(positive[order]) / (np.arange(1, len(order) + 1) + positives)
    # Equal values are predicted together.
    f1 = np.where(np.append(ordered[:-1] != ordered[1:], True), f1, -1.0)
    place = int(f1.argmax())
    below = ordered[place + 1] if place + 1 < len(ordered) else min(ordered[place], 0.0)
    return float(ordered[place] + below) / 2, float(f1[place])
