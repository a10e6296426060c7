"""What becomes of a balanced question in each regime: smaller, lopsided or mislabelled training parts.

All keep the rows of the balanced split and its order, so that levels of one question are nested.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import ceil, floor

import numpy as np

from saebench.data.splits import Split
from saebench.tasks.sparse_probing.params import LEVELS, Regime
from saebench.tasks.sparse_probing.validation import IntArray


def levels_of(split: Split, regime: Regime, levels: tuple[float, ...], seed: int) -> Iterator[tuple[str, Split]]:
    """The question at each level, with what its name carries (" n=20"); levels that the rows do not reach are left out.

    Args:
        split: the balanced question.
        regime: "standard" and "shift" leave it as it is.
        levels: the grid; empty: the published one.
        seed: chooses the labels that are flipped.
    """
    grid = levels or LEVELS.get(regime, ())
    if regime == "scarcity":
        for level in grid:
            if level <= len(split.train):
                rows = _take(split.y_train, int(level), 0.5)
                yield f" n={int(level)}", replace(split, train=split.train[rows], y_train=split.y_train[rows])
    elif regime == "imbalance":
        widest = max(max(level, 1 - level) for level in grid)
        for level in grid:
            yield f" positives={level:g}", _lopsided(split, level, widest)
    elif regime == "noise":
        for level in grid:
            yield f" flipped={level:g}", replace(split, y_train=flipped(split.y_train, level, seed))
    else:
        yield "", split


def flipped(y: IntArray, share: float, seed: int) -> IntArray:
    """Labels with int(n * share) of them turned over, chosen without replacement (sae-probes' rule)."""
    rows = np.random.RandomState(seed).choice(len(y), size=int(len(y) * share), replace=False)
    changed = y.copy()
    changed[rows] = 1 - changed[rows]
    return changed


def _lopsided(split: Split, share: float, widest: float) -> Split:
    """The question with `share` positives on both sides, as many rows at every level of the grid."""
    sides = []
    for rows, y in ((split.train, split.y_train), (split.test, split.y_test)):
        smaller = int(min(y.sum(), len(y) - y.sum()))
        kept = _take(y, max(2, floor(smaller / widest + 1e-9)), share)
        sides.append((rows[kept], y[kept]))
    (train, y_train), (test, y_test) = sides
    return Split(split.positive, train, y_train, test, y_test)


def _take(y: IntArray, count: int, share: float) -> IntArray:
    """The first `count` rows that have the share of positives, rounded up, at least one row of each class."""
    positives = min(max(ceil(share * count - 1e-9), 1), count - 1)
    chosen = np.zeros(len(y), dtype=np.bool_)
    for label, wanted in ((1, positives), (0, count - positives)):
        chosen[np.flatnonzero(y == label)[:wanted]] = True
    return np.flatnonzero(chosen)
