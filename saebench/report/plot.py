"""The plots of a section: L0 against the headline metric, as Vega-Lite specifications built in Python.

Trained dictionaries get a plot of their own, since a control may lie so far off that differences between them would
vanish; a second one shows every subject. Colour and shape both tell the series; trained dictionaries are filled,
baselines and controls hollow and grey. Colours keep a contrast of at least 3 with the light and the dark background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from saebench.report.numbers import label, with_interval
from saebench.report.view import Column, Row, Section
from saebench.results.schema import MetricValue

Point = dict[str, Any]

COLOURS = ("#2f7ed8", "#c7622b", "#25936a", "#a35ad6", "#a87b0a", "#c2488f", "#1a8fa8", "#d1495b")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right")
GREY = "#7c858f"
HEIGHT = 360


@dataclass(frozen=True)
class Plot:
    """Specifications with their captions, and which subjects they leave out."""

    panels: tuple[tuple[str, dict[str, Any]], ...]
    left_out: tuple[str, ...]
    """Names of subjects without a place on the plots: L0 of 0, or one of both values undefined."""


@dataclass(frozen=True)
class Series:
    """Architectures with their marks, the same in every plot of a section."""

    trained: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """Trained ones first."""
        return [*self.trained, *self.others]

    @property
    def colours(self) -> list[str]:
        """One for each name."""
        return [COLOURS[i % len(COLOURS)] for i in range(len(self.trained))] + [GREY] * len(self.others)

    @property
    def fills(self) -> list[str]:
        """One for each name: none for baselines and controls."""
        return [*self.colours[: len(self.trained)], *["transparent"] * len(self.others)]

    @property
    def shapes(self) -> list[str]:
        """One for each name; with a colour it is unique up to 56 trained architectures."""
        return [SHAPES[i % len(SHAPES)] for i in range(len(self.names))]


def sparsity_plot(section: Section) -> Plot | None:
    """L0 (logarithmic) against the headline metric of a section; None where either is missing or nothing is drawn."""
    sparsity = next((column for column in section.columns if column.metric.name == "l0"), None)
    if sparsity is None or section.headline is None:
        return None
    headline = section.columns[section.headline]
    if headline is sparsity:
        return None
    placed = [(row, _point(row, sparsity, headline)) for row in section.rows]
    points = [point for _, point in placed if point]
    if not points:
        return None
    trained = [point for point in points if point["kind"] == "trained"]
    others = [point for point in points if point["kind"] != "trained"]
    series = Series(*(tuple(sorted({point["series"] for point in part})) for part in (trained, others)))
    panels = [("All subjects", points, series.others or series.trained)]
    if len(trained) > 1 and others:
        panels.insert(0, ("Trained dictionaries", trained, series.trained))
    return Plot(
        panels=tuple((title, _spec(title, part, series, listed, headline)) for title, part, listed in panels),
        left_out=tuple(row.name for row, point in placed if not point),
    )


def _point(row: Row, sparsity: Column, headline: Column) -> dict[str, Any] | None:
    x = row.record.metrics.get("l0")
    y = row.record.metrics.get(headline.metric.name)
    if x is None or y is None or not x.value or x.value <= 0 or y.value is None:
        return None
    point: dict[str, Any] = {
        "name": row.name,
        "series": _series(row),
        "kind": row.kind,
        "x": x.value,
        "y": y.value,
        "x_text": with_interval(x, sparsity.decimals),
        "y_text": with_interval(y, headline.decimals),
    }
    point |= _ends("x", x) if x.low is not None and x.low > 0 else {}
    return point | _ends("y", y)


def _ends(axis: str, value: MetricValue) -> dict[str, float]:
    if value.low is None or value.high is None:
        return {}
    return {f"{axis}_low": value.low, f"{axis}_high": value.high}


def _series(row: Row) -> str:
    return row.architecture if row.kind == "trained" else f"{row.architecture} ({row.kind})"


def _spec(
    subtitle: str, points: Sequence[Point], series: Series, listed: Sequence[str], headline: Column
) -> dict[str, Any]:
    title = headline.label
    better = {"up": " (higher is better)", "down": " (lower is better)", "none": ""}[headline.metric.direction]
    sparsest, densest = min(p["x"] for p in points), max(p["x"] for p in points)
    x_axis = {
        "field": "x",
        "type": "quantitative",
        "title": "L0, active latents per token (logarithmic)",
        "scale": {"type": "log", "domain": [sparsest / 1.3, densest * 1.3], "nice": False},
        "axis": {"tickCount": 5, "format": "~s", "labelOverlap": "greedy"},
    }
    y_axis = {"field": "y", "type": "quantitative", "title": title + better, "scale": {"zero": False, "padding": 12}}

    def by_series(marks: Sequence[str]) -> dict[str, Any]:
        scale = {"domain": series.names, "range": list(marks)}
        return {"field": "series", "type": "nominal", "title": None, "scale": scale}

    colour = by_series(series.colours) | {"legend": {"values": list(listed)}}
    faded = {"condition": {"param": "picked", "value": 1}, "value": 0.12}
    whisker = {"type": "rule", "strokeWidth": 1.4, "aria": False}
    upright = {"x": x_axis, "y": y_axis | {"field": "y_low"}, "y2": {"field": "y_high"}}
    lying = {"x": x_axis | {"field": "x_low"}, "x2": {"field": "x_high"}, "y": y_axis}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": f"{subtitle}: L0 against {title} with 95 % intervals; the table holds the same numbers.",
        "width": "container",
        "height": HEIGHT,
        "autosize": {"type": "fit", "contains": "padding"},
        "data": {"values": list(points)},
        "layer": [
            *(
                {
                    "transform": [{"filter": f"isValid(datum.{axis}_low)"}],
                    "mark": whisker,
                    "encoding": place | {"color": colour, "opacity": faded},
                }
                for axis, place in (("y", upright), ("x", lying))
            ),
            {
                "params": [{"name": "picked", "select": {"type": "point", "fields": ["series"]}, "bind": "legend"}],
                "mark": {"type": "point", "size": 90, "strokeWidth": 1.6, "fillOpacity": 0.85},
                "encoding": {
                    "x": x_axis,
                    "y": y_axis,
                    "color": colour,
                    "fill": by_series(series.fills) | {"legend": {"values": list(listed)}},
                    "shape": by_series(series.shapes) | {"legend": {"values": list(listed)}},
                    "opacity": faded,
                    "tooltip": [
                        {"field": "name", "title": "Subject"},
                        {"field": "series", "title": "Architecture"},
                        {"field": "x_text", "title": label("l0")},
                        {"field": "y_text", "title": title},
                    ],
                },
            },
        ],
    }
