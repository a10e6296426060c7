"""Area under the ROC curve: of one score, of many at once, by text, and the threshold that a training part gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

IntArray = np.ndarray[Any, np.dtype[np.int64]]
FloatArray = np.ndarray[Any, np.dtype[np.float64]]


def auc(scores: FloatArray, y: IntArray) -> float:
    """Area under the ROC curve: the share of pairs in which the positive scores higher, ties half (Mann-Whitney)."""
    return float(aucs(scores[:, None], y)[0])


def aucs(scores: FloatArray, y: IntArray) -> FloatArray:
    """The same for every column of `scores` `[n, k]`: `[k]`."""
    positives = int(y.sum())
    ranks = stats.rankdata(scores, axis=0)
    areas: FloatArray = (ranks[y == 1].sum(0) - positives * (positives + 1) / 2) / (positives * (len(y) - positives))
    return areas


def auc_by_text(scores: FloatArray, y: IntArray) -> FloatArray:
    """What each of `n` texts contributes to the AUC: numbers `[n]` whose mean is the AUC and whose spread is its doubt.

    Placement V of a text: the share of the other class that lies on its right side, ties half (DeLong et al. 1988).
    The score AUC + (V - AUC) n / (texts of its class) linearises the AUC, so that the interval of the mean of scores
    is that of the AUC under another draw of texts.
    """
    ranks, own = stats.rankdata(scores), np.empty(len(scores))
    for side in (0, 1):
        own[y == side] = stats.rankdata(scores[y == side])
    below = ranks - own
    sizes = np.where(y == 1, y.sum(), len(y) - y.sum())
    placement = np.where(y == 1, below, y.sum() - below) / (len(y) - sizes)
    area = float(placement[y == 1].mean())
    contributions: FloatArray = area + (placement - area) * len(y) / sizes
    return contributions


def youden_threshold(scores: FloatArray, y: IntArray) -> float:
    """Where to cut: `score > threshold` has the largest true positive rate minus false positive rate (Youden's J).

    The threshold lies halfway between two scores that occur; of equally good ones it is the highest, and above every
    score where no cut is better than none.
    """
    order = np.argsort(-scores, kind="stable")
    ordered, labels = scores[order], y[order]
    gain = np.cumsum(np.where(labels == 1, 1 / labels.sum(), -1 / (len(labels) - labels.sum())))
    ends = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
    if gain[ends].max() <= 1e-12:
        return float(ordered[0])
    best = int(ends[np.argmax(gain[ends] > gain[ends].max() - 1e-12)])
    return float((ordered[best] + ordered[best + 1]) / 2)
