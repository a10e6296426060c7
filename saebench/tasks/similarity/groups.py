"""Groups of units, and the pseudo-values of a statistic that is no ratio of sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from saebench.results.items import ItemTable

Array = np.ndarray[Any, Any]

GROUPS = 20
"""Twice as many as an interval needs."""


def deal(units: int, seed: int, groups: int = GROUPS) -> Array:
    """The group of each unit, `[units]`: dealt at random into groups of equal size, at most one a unit."""
    dealt = np.arange(units) % max(1, min(groups, units))
    return np.asarray(np.random.default_rng(seed).permutation(dealt))


def pseudo_values(whole: float, without: Sequence[float]) -> Array:
    """theta + (G - 1) (mean of theta without a group - theta without group g), `[G]`; their mean is theta.

    Args:
        whole: theta, over all units.
        without: theta with each group left out; fewer than two leave theta alone.
    """
    if len(without) < 2:
        return np.array([whole])
    deleted = np.asarray(without)
    return np.asarray(whole + (len(deleted) - 1) * (deleted.mean() - deleted))


def group_table(columns: dict[str, Array]) -> ItemTable:
    """Groups as the items, each its own cluster."""
    count = len(next(iter(columns.values())))
    names = tuple(f"group {index}" for index in range(count))
    return ItemTable(names, names, columns)
