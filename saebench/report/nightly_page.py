"""The page of trends: every tested value and every cost over the nights. It opens from disk and needs no script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from saebench.nightly.drift import Series
from saebench.nightly.history import NightLine, Point
from saebench.nightly.verdicts import KINDS
from saebench.report.numbers import decimals, fixed, label, with_interval
from saebench.report.site import policy, templates
from saebench.report.trends import HEIGHT, WIDTH, Night, Picture, Trend, picture
from saebench.results.atomic import write_bytes
from saebench.results.schema import MetricValue

SHOWN = 60
"""Nights on the page; older ones stay in history.jsonl."""


@dataclass(frozen=True)
class Line:
    """One series as the page shows it."""

    subject: str
    metric: str
    text: str
    verdict: str
    note: str
    """What drift is seen, in words."""
    drawn: Picture | None
    words: str
    """The picture in words."""
    nights: tuple[tuple[str, str, str], ...]
    """(night, value with interval, verdict), newest first."""


def write_trends(history: Sequence[NightLine], drift: Sequence[Series], headline: str, folder: Path) -> Path:
    """Write `folder/index.html`; returns its path.

    Args:
        history: all nights, oldest first.
        drift: the series that the newest night has.
        headline: the newest night in one line.
        folder: made where it is missing.

    Raises:
        StorageError: the folder cannot be written.
    """
    page = folder / "index.html"
    write_bytes(page, trends_page(history, drift, headline).encode())
    return page


def trends_page(history: Sequence[NightLine], drift: Sequence[Series], headline: str) -> str:
    """The text of the page; arguments as in `write_trends`."""
    tasks = [
        (title, sorted(map(line_of, members), key=urgency))
        for title, members in groupby(drift, key=lambda one: title_of(one.last))
    ]
    return templates().get_template("nightly.html.j2").render(
        title=f"Nightly: {headline}",
        headline=headline,
        tasks=tasks,
        nights=[(night.night, str(night.code), counts_of(night)) for night in reversed(history[-SHOWN:])],
        kinds=KINDS,
        width=WIDTH,
        height=HEIGHT,
        policy=policy(),
    )  # fmt: skip


def title_of(point: Point) -> str:
    """What a table of the page is about."""
    where = f"{point.task} ({point.setting})" if point.setting else point.task
    return f"Cost: {where}" if point.kind == "cost" else where


def urgency(line: Line) -> int:
    """Falls first; order is kept among equals."""
    order = ("regressed", "inconclusive", "improved", "not comparable", "equivalent")
    return order.index(line.verdict) if line.verdict in order else len(order)


def counts_of(night: NightLine) -> dict[str, int]:
    """Verdicts of a night by kind."""
    return Counter(point.verdict for point in night.points if point.verdict)


def line_of(series: Series) -> Line:
    """A series, ready to be drawn."""
    names, points = series.nights[-SHOWN:], series.points[-SHOWN:]
    values = [value_of(point) for point in points]
    places = decimals(values)
    trend = Trend(series.last.metric, tuple(Night(*one) for one in zip(names, names, values, strict=True)))
    shown = [with_interval(value, places) for value in values]
    numbers = [point.value for point in points]
    return Line(
        subject=series.last.subject,
        metric=label(series.last.metric),
        text=shown[-1],
        verdict=series.last.verdict,
        note=note_of(series, places),
        drawn=picture(trend) if len(points) > 1 else None,
        words=f"{len(points)} nights between {fixed(min(numbers), places)} and {fixed(max(numbers), places)}",
        nights=tuple(zip(names, shown, (point.verdict for point in points), strict=True))[::-1],
    )


def value_of(point: Point) -> MetricValue:
    """A point as the pictures take it."""
    undefined = None if point.low is not None else "no interval was made"
    return MetricValue(value=point.value, low=point.low, high=point.high, n=0, undefined=undefined)


def note_of(series: Series, places: int) -> str:
    """What the drift lane sees."""
    said = []
    if series.prediction and series.prediction.outside:
        ends = f"{fixed(series.prediction.low, places)} to {fixed(series.prediction.high, places)}"
        said.append(f"outside of what {series.prediction.n} nights predict: {ends}")
    if series.step:
        before, after = fixed(series.step.before, places), fixed(series.step.after, places)
        said.append(f"a step from {before} to {after} on {series.step.night}")
    return "; ".join(said)
