"""A number over time: the same unit in several results folders, drawn as a small picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from saebench.results.schema import MetricValue, ResultRecord

WIDTH, HEIGHT, MARGIN = 640, 120, 8
"""Of the picture, in its own units."""


@dataclass(frozen=True)
class Night:
    """One run of a unit."""

    finished: str
    software: str
    value: MetricValue
    note: str = ""
    """What sets it apart from the others."""


@dataclass(frozen=True)
class Trend:
    """One metric of one unit over the runs of it, oldest first."""

    metric: str
    nights: tuple[Night, ...]


@dataclass(frozen=True)
class Picture:
    """Positions of a trend on a field of `WIDTH` by `HEIGHT`."""

    lines: tuple[str, ...]
    """Points of polylines: an undefined value breaks the line."""
    whiskers: tuple[tuple[float, float, float], ...]
    """x, and the ends of an interval as y."""
    dots: tuple[tuple[float, float], ...]
    top: float
    """Value at the upper margin."""
    bottom: float


def trend_of(versions: Sequence[ResultRecord], metric: str) -> Trend | None:
    """The history of one unit; None where it was run once, or never gave this metric."""
    nights = tuple(
        Night(record.provenance.finished, record.provenance.saebench, record.metrics[metric])
        for record in versions
        if metric in record.metrics
    )
    if len({night.finished for night in nights}) < 2:
        return None
    return Trend(metric, nights)


def picture(trend: Trend) -> Picture | None:
    """Where a trend's values lie, runs at equal distances; None where all of them are undefined."""
    drawn = [(at, night.value) for at, night in enumerate(trend.nights) if night.value.value is not None]
    ends = [end for _, one in drawn for end in (one.value, one.low, one.high) if end is not None]
    if not ends:
        return None
    bottom, top = min(ends), max(ends)
    spread, middle = top - bottom, HEIGHT / 2

    def x(at: int) -> float:
        return round(MARGIN + at * (WIDTH - 2 * MARGIN) / max(1, len(trend.nights) - 1), 1)

    def y(value: float | None) -> float:
        part = ((value or 0.0) - bottom) / spread if spread else 0.5
        return round(middle + (0.5 - part) * (HEIGHT - 2 * MARGIN), 1)

    lines: list[str] = []
    for at, night in enumerate(trend.nights):
        if night.value.value is None:
            continue
        point = f"{x(at)},{y(night.value.value)}"
        joined = at > 0 and trend.nights[at - 1].value.value is not None
        lines = [*lines[:-1], f"{lines[-1]} {point}"] if joined else [*lines, point]
    return Picture(
        lines=tuple(lines),
        whiskers=tuple((x(at), y(one.low), y(one.high)) for at, one in drawn if one.low is not None),
        dots=tuple((x(at), y(one.value)) for at, one in drawn),
        top=top,
        bottom=bottom,
    )
