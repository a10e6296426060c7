"""Holm's step-down adjustment (Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

Test = TypeVar("Test", bound=Hashable)


def holm(p_values: Mapping[Test, float]) -> dict[Test, float]:
    """Adjusted p of each test of a family: reject those at most alpha, and any false rejection has probability alpha.

    A test that could not be made is no member of the family: leave it out.
    """
    adjusted: dict[Test, float] = {}
    largest = 0.0
    ordered = sorted(p_values, key=p_values.__getitem__)
    for place, test in enumerate(ordered):
        largest = max(largest, min(1.0, (len(ordered) - place) * p_values[test]))
        adjusted[test] = largest
    return {test: adjusted[test] for test in p_values}
