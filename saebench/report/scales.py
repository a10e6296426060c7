"""The small bars under the numbers: a value and its interval as positions on the range of a column.

The range is that of the trained subjects, so that differences between them can be seen; whatever lies outside
(a control, usually) is drawn at the edge and marked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from saebench.report.numbers import Measured

MARGIN = 0.08
"""Part of the range left free on both sides."""


@dataclass(frozen=True)
class Bar:
    """Positions in percent of the column's width, 0 to 100."""

    low: float
    value: float
    high: float
    outside: Literal["left", "right"] | None
    """Set where the value lies beyond the range."""


@dataclass(frozen=True)
class Scale:
    """From values to positions."""

    start: float
    end: float
    logarithmic: bool

    def bar(self, value: Measured) -> Bar | None:
        """Where `value` and its interval lie; None for an undefined value."""
        if value.value is None:
            return None
        place = self._place(value.value)
        low = place if value.low is None else self._place(value.low)
        high = place if value.high is None else self._place(value.high)
        outside: Literal["left", "right"] | None = "left" if place < 0 else "right" if place > 100 else None
        return Bar(_inside(low), _inside(place), _inside(high), outside)

    def _place(self, value: float) -> float:
        return 100 * (_position(value, self.logarithmic) - self.start) / (self.end - self.start)


def scale_of(values: Iterable[Measured], *, logarithmic: bool) -> Scale | None:
    """The scale that holds all of `values` with their intervals; None where they do not span a range."""
    ends = [
        _position(end, logarithmic)
        for value in values
        for end in (value.value, value.low, value.high)
        if end is not None and (end > 0 or not logarithmic)
    ]
    if not ends or max(ends) <= min(ends):
        return None
    margin = MARGIN * (max(ends) - min(ends))
    return Scale(min(ends) - margin, max(ends) + margin, logarithmic)


def _position(value: float, logarithmic: bool) -> float:
    if not logarithmic:
        return value
    return math.log10(value) if value > 0 else -math.inf


def _inside(place: float) -> float:
    return round(min(100.0, max(0.0, place)), 1)
