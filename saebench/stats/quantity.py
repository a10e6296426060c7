"""A number with its doubt that is no ratio of sums: a spread, a correlation, a share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quantity:
    """A value with a 95 % interval where there is one; `undefined` says why the value is None."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    undefined: str | None = None
