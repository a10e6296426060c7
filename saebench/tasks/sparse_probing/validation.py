"""How hyper-parameters are chosen: by validation AUC inside the training rows (sae-probes' rule)."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.model_selection import LeavePOut, StratifiedKFold

from saebench.stats.auroc import auc as auc
from saebench.stats.auroc import auc_by_text as auc_by_text

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


def log_loss(log_odds: FloatArray, y: IntArray) -> float:
    """Mean of -log of the probability that was given to the true class."""
    return float((np.logaddexp(0.0, log_odds) - y * log_odds).mean())
