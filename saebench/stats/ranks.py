"""Rank intervals: which ranks the significant differences leave open."""

from __future__ import annotations

from typing import Any

import numpy as np

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


def rank_intervals(better: BoolArray) -> list[tuple[int, int]]:
    """Best and worst rank of each of N subjects; 1 is best.

    `better[i, j]` says that i is significantly better than j. The interval of i is
    [1 + number significantly better than i, N - number significantly worse than i].
    """
    beaten_by, beats = better.sum(0), better.sum(1)
    return [(1 + int(above), len(better) - int(below)) for above, below in zip(beaten_by, beats, strict=True)]
