"""Drift over many nights, of scores and of cost: tonight against a prediction interval, and the likeliest step.

Neither is an alarm. A night that lies outside says that something is new tonight; a step says since when. Both families
are corrected for the number of series (Bonferroni), so that a quiet history shows anything on one night of twenty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from saebench.nightly.history import NightLine, Point, by_series
from saebench.stats.paired import welch_of_errors

ALPHA = 0.05
WINDOW = 30
"""Nights before tonight that predict it."""
FEWEST = 6
"""Earlier nights without which nothing is predicted, and nights on either side of a step."""
SMALLEST_STEP = 0.02
"""Of the level before it, for series without a margin."""


@dataclass(frozen=True)
class Prediction:
    """Where tonight's value is expected: mean -+ t s sqrt(1 + 1/n) of the nights before."""

    low: float
    high: float
    n: int
    outside: bool


@dataclass(frozen=True)
class Step:
    """The most likely change of level."""

    night: str
    """The first night on the new level."""
    before: float
    after: float
    p: float
    """Welch's, times the number of nights at which it could have been."""


@dataclass(frozen=True)
class Series:
    """One number over the nights."""

    last: Point
    """Its newest point, which names it."""
    nights: tuple[str, ...]
    points: tuple[Point, ...]
    prediction: Prediction | None
    """None with fewer than six earlier nights."""
    step: Step | None


def series_of(history: Sequence[NightLine]) -> list[Series]:
    """Every series that the newest night has, with its drift: scores by task, then cost."""
    if not history:
        return []
    current = {point.series for point in history[-1].points}
    own = {series: points for series, points in by_series(history).items() if series in current}
    level = ALPHA / max(1, len(own))
    made = []
    for points in own.values():
        values = np.array([point.value for _, point in points])
        last = points[-1][1]
        nights = tuple(night.night for night, _ in points)
        made.append(
            Series(
                last,
                nights,
                tuple(point for _, point in points),
                prediction(values[-1 - WINDOW : -1], float(values[-1]), level),
                step(values, nights, level, last.margin),
            )
        )
    return sorted(made, key=lambda one: (one.last.kind == "cost", one.last.task, one.last.metric, one.last.subject))


def prediction(before: np.ndarray[tuple[int], np.dtype[np.float64]], value: float, level: float) -> Prediction | None:
    """The interval that holds the next value with probability 1 - level, and whether it does.

    Args:
        before: values of earlier nights.
        value: tonight's.
        level: chance that a quiet night lies outside.
    """
    n = len(before)
    if n < FEWEST:
        return None
    mean, spread = float(before.mean()), float(before.std(ddof=1))
    half = float(special.stdtrit(n - 1, 1 - level / 2)) * spread * math.sqrt(1 + 1 / n)
    slack = 1e-9 * max(1.0, abs(mean))
    return Prediction(mean - half, mean + half, n, abs(value - mean) > half + slack)


def step(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], nights: Sequence[str], level: float, least: float | None
) -> Step | None:
    """The split into two levels with the smallest p, where it is below the level and the change is not small.

    Args:
        values: of the nights, in order.
        nights: their names.
        level: chance that a quiet series has a step.
        least: smallest change that matters; None: 2 % of the level before.
    """
    splits = range(FEWEST, len(values) - FEWEST + 1)
    found = None
    for split in splits:
        sides = values[:split], values[split:]
        before, after = (float(side.mean()) for side in sides)
        errors = [float(side.std(ddof=1)) / math.sqrt(len(side)) for side in sides]
        change = after - before
        if abs(change) <= (SMALLEST_STEP * abs(before) if least is None else least):
            continue
        p = min(1.0, welch_of_errors(change, errors, [len(side) for side in sides]).p * len(splits))
        if p < level and (found is None or p < found.p):
            found = Step(nights[split], before, after, p)
    return found
