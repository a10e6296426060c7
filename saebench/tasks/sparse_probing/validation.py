"""How hyper-parameters are chosen: by validation AUC inside the training rows (sae-probes' rule)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats
from sklearn.model_selection import LeavePOut, StratifiedKFold

IntArray = np.ndarray[Any, np.dtype[np.int64]]
FloatArray = np.ndarray[Any, np.dtype[np.float64]]
Fold = tuple[IntArray, IntArray]
"""Training rows and validation rows, as indices into the training part."""

NONE_UP_TO, PAIRS_UP_TO, FOLDS_BELOW = 3, 12, 128
FOLDS = 6
LAST_SHARE, LAST_MOST = 0.2, 100


def folds(y: IntArray, seed: int) -> list[Fold]:
    """Splits of `n` training rows whose order is already random.

    n <= 3: none (parameters keep their defaults). n <= 12: every pair of rows of both classes is held out once.
    n < 128: six stratified folds, shuffled with `seed`. Else one: the last min(floor(.2 n), 100) rows. Where those
    hold one class alone, six folds take their place; where a class has fewer than six rows, as many folds as it has,
    and none for a single row.
    """
    n = len(y)
    if n <= NONE_UP_TO or min(np.bincount(y, minlength=2)) < 2:
        return []
    if n <= PAIRS_UP_TO:
        return [(train, held) for train, held in LeavePOut(2).split(y) if len(set(y[held])) == 2]
    if n >= FOLDS_BELOW:
        cut = n - min(int(LAST_SHARE * n), LAST_MOST)
        if len(set(y[cut:])) == len(set(y[:cut])) == 2:
            return [(np.arange(cut), np.arange(cut, n))]
    count = min(FOLDS, int(np.bincount(y).min()))
    splitter = StratifiedKFold(count, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(n), y))


def auc(scores: FloatArray, y: IntArray) -> float:
    """Area under the ROC curve: the share of pairs in which the positive scores higher, ties half (Mann-Whitney)."""
    positives = int(y.sum())
    ranks = stats.rankdata(scores)
    return float((ranks[y == 1].sum() - positives * (positives + 1) / 2) / (positives * (len(y) - positives)))


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


def log_loss(log_odds: FloatArray, y: IntArray) -> float:
    """Mean of -log of the probability that was given to the true class."""
    return float((np.logaddexp(0.0, log_odds) - y * log_odds).mean())
