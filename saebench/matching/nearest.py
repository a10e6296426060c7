"""Nearest rows, which need no assignment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saebench.matching.cosines import Array, UnitRows, paired, strongest


@dataclass(frozen=True, eq=False)
class Mutual:
    """Pairs of rows that are each other's nearest, ascending by row."""

    rows: Array
    columns: Array
    cosines: Array
    """float64, absolute where unsigned."""


def nearest(a: UnitRows, b: UnitRows, *, signed: bool) -> tuple[Array, Array]:
    """(cosine float64, index) of the nearest row of `b` for each row of `a`; several may share one.

    Raises:
        ValueError: `b` has no row.
    """
    if not len(b):
        raise ValueError("there is no row to be nearest to")
    columns = strongest(a.narrow(), b.narrow(), 1, signed=signed)[1][:, 0].numpy()
    return paired(a, b, np.arange(len(a)), columns, signed), columns


def mutual_nearest(a: UnitRows, b: UnitRows, *, signed: bool) -> Mutual:
    """Pairs in which each is the nearest of the other. Zero rows have no nearest and are in none.

    Raises:
        ValueError: one of them has no row.
    """
    cosines, columns = nearest(a, b, signed=signed)
    _, back = nearest(b, a, signed=signed)
    rows = np.flatnonzero((back[columns] == np.arange(len(a))) & ~a.zero & ~b.zero[columns])
    return Mutual(rows, columns[rows], cosines[rows])
