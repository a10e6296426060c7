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

    when: str
    """The end of a run, or the start of a night of nightly."""
    software: str
    value: MetricValue
    note: str = ""
    """What sets it apart from the others: it is drawn hollow."""


@dataclass(frozen=True)
class Trend:
    """One metric of one unit over the runs of it, oldest first."""

    metric: str
    nights: tuple[Night, ...]


@dataclass(frozen=True)
class Picture:
    """Positions of a trend on a field of `WIDTH` by `HEIGHT`."""

    lines: tuple[str, ...]
    """Points of polylines: an undefined value breaks the line, and so does another note."""
    whiskers: tuple[tuple[float, float, float], ...]
    """x, and the ends of an interval as y."""
    dots: tuple[tuple[float, float, bool], ...]
    """x, y and whether the dot is hollow."""
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
    if len({night.when for night in nights}) < 2:
        return None
    return Trend(metric, nights)


def picture(trend: Trend) -> Picture | None:
    """Where a trend's values lie, runs at equal distances; None where all of them are undefined."""
    drawn = [(at, night.value, bool(night.note)) for at, night in enumerate(trend.nights) if is_drawn(night)]
    ends = [end for _, one, _ in drawn for end in (one.value, one.low, one.high) if end is not None]
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
        before = trend.nights[at - 1] if at else None
        joined = before is not None and is_drawn(before) and before.note == night.note
        lines = [*lines[:-1], f"{lines[-1]} {point}"] if joined else [*lines, point]
    return Picture(
        lines=tuple(lines),
        whiskers=tuple((x(at), y(one.low), y(one.high)) for at, one, _ in drawn if one.low is not None),
        dots=tuple((x(at), y(one.value), hollow) for at, one, hollow in drawn),
        top=top,
        bottom=bottom,
    )


def is_drawn(night: Night) -> bool:
    """Whether it has a value."""
    return night.value.value is not None
