"""Mean matched cosine of two dictionaries (Song et al. 2025, arXiv 2505.20254).

Rows are divided by their length, a one-to-one assignment maximises the summed cosine, and its mean is the value. Among
m rows there is always a near one, so that two random dictionaries do not score 0: the null says what they score.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from saebench.matching.assignment import Assignment, assign
from saebench.matching.cosines import Array, Rows, UnitRows, unit_rows
from saebench.matching.nulls import Null, calibrated, random_null


@dataclass(frozen=True, eq=False)
class Mcc:
    """What `mcc` found."""

    assignment: Assignment
    signed: bool
    shape: tuple[int, int, int]
    """Rows of the one, rows of the other, width."""
    zero_rows: tuple[int, int]
    """Zero rows of the one and the other: matched like all others, at cosine 0."""

    @property
    def value(self) -> float:
        """Mean cosine of the min(n, m) matched pairs."""
        return self.assignment.mean

    @property
    def cosines(self) -> Array:
        """Matched cosines, `[min(n, m)]`."""
        return self.assignment.cosines

    @property
    def solver(self) -> str:
        """Which solver found the assignment; its `error_bound` stands beside it."""
        return self.assignment.solver

    @cached_property
    def null(self) -> Null:
        """What two random dictionaries of this shape score; made when first asked for."""
        return random_null(*self.shape, signed=self.signed)

    @property
    def calibrated(self) -> float:
        """(value - null) / (1 - null): 0 for random dictionaries, 1 for copies.

        Raises:
            ValueError: random rows of this width match perfectly.
        """
        return calibrated(self.value, self.null.mean)


def mcc(a: Rows, b: Rows, signed: bool = True) -> Mcc:
    """Match the rows of `a` `[n, d]` with those of `b` `[m, d]`, min(n, m) pairs.

    Args:
        a: atoms of one dictionary; their lengths do not matter.
        b: atoms of the other, or the true directions.
        signed: the cosine itself, right where codes are non-negative; else its absolute value, right where they are
            signed and an atom may be flipped.

    A zero row has cosine 0 with everything, and a UserWarning tells how many there are.

    Raises:
        ValueError: the widths differ, one has no rows, or there is NaN or an infinity.
    """
    return mcc_of(unit_rows(a), unit_rows(b), signed=signed)


def mcc_of(a: UnitRows, b: UnitRows, *, signed: bool) -> Mcc:
    """`mcc` of rows that are of length one already, without the warning.

    Raises:
        ValueError: the widths differ, or one has no rows.
    """
    if not len(a) or not len(b):
        raise ValueError("there are no rows to match")
    shape = (len(a), len(b), a.width)
    return Mcc(assign(a, b, signed=signed), signed, shape, (int(a.zero.sum()), int(b.zero.sum())))
