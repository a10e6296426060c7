"""The plot of a section: L0 against the headline metric, as a Vega-Lite specification built in Python.

Colour and shape both tell the series; trained dictionaries are filled, baselines and controls hollow and grey.
Colours keep a contrast of at least 3 with the light and with the dark background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from saebench.report.numbers import label, with_interval
from saebench.report.view import Column, Row, Section
from saebench.results.schema import MetricValue

COLOURS = ("#2f7ed8", "#c7622b", "#25936a", "#a35ad6", "#b8860b", "#c2488f", "#1a8fa8", "#d1495b")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right")
GREY = "#7c858f"
HEIGHT = 380


@dataclass(frozen=True)
class Plot:
    """A specification, and how many subjects it leaves out."""

    spec: dict[str, Any]
    drawn: int
    left_out: tuple[str, ...]
    """Names of subjects without a place on the plot: L0 of 0, or one of both values undefined."""


def sparsity_plot(section: Section) -> Plot | None:
    """L0 (logarithmic) against the headline metric of a section; None where either is missing or nothing is drawn."""
    sparsity = next((column for column in section.columns if column.metric.name == "l0"), None)
    if sparsity is None or section.headline is None:
        return None
    headline = section.columns[section.headline]
    if headline is sparsity:
        return None
    points, left_out = [], []
    for row in section.rows:
        point = _point(row, sparsity, headline)
        if point:
            points.append(point)
        else:
            left_out.append(row.name)
    if not points:
        return None
    return Plot(_spec(points, headline), len(points), tuple(left_out))


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


def _spec(points: Sequence[dict[str, Any]], headline: Column) -> dict[str, Any]:
    title = headline.label
    trained = sorted({point["series"] for point in points if point["kind"] == "trained"})
    others = sorted({point["series"] for point in points if point["kind"] != "trained"})
    series = [*trained, *others]
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(trained))] + [GREY] * len(others)
    shapes = [SHAPES[i % len(SHAPES)] for i in range(len(series))]
    better = {"up": " (higher is better)", "down": " (lower is better)", "none": ""}[headline.metric.direction]
    sparsest, densest = min(p["x"] for p in points), max(p["x"] for p in points)
    x_axis = {
        "field": "x",
        "type": "quantitative",
        "title": "L0, active latents per token (logarithmic)",
        "scale": {"type": "log", "domain": [sparsest / 1.35, densest * 1.35], "nice": False},
        "axis": {"tickCount": 6, "format": "~s"},
    }
    y_axis = {"field": "y", "type": "quantitative", "title": f"{title}{better}", "scale": {"zero": False, "padding": 12}}
    colour = {
        "field": "series",
        "type": "nominal",
        "title": None,
        "scale": {"domain": series, "range": colours},
        "legend": {"symbolSize": 90, "symbolStrokeWidth": 1.6},
    }
    shape = {"field": "series", "type": "nominal", "title": None, "scale": {"domain": series, "range": shapes}}
    faded = {"condition": {"param": "picked", "value": 1}, "value": 0.12}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": f"L0 against {title} with 95 % intervals; the table holds the same numbers.",
        "width": "container",
        "height": HEIGHT,
        "autosize": {"type": "fit", "contains": "padding"},
        "data": {"values": list(points)},
        "layer": [
            {
                "transform": [{"filter": "isValid(datum.y_low)"}],
                "mark": {"type": "rule", "strokeWidth": 1.4, "aria": False},
                "encoding": {
                    "x": x_axis,
                    "y": {**y_axis, "field": "y_low"},
                    "y2": {"field": "y_high"},
                    "color": colour,
                    "opacity": faded,
                },
            },
            {
                "transform": [{"filter": "isValid(datum.x_low)"}],
                "mark": {"type": "rule", "strokeWidth": 1.4, "aria": False},
                "encoding": {
                    "x": {**x_axis, "field": "x_low"},
                    "x2": {"field": "x_high"},
                    "y": y_axis,
                    "color": colour,
                    "opacity": faded,
                },
            },
            {
                "params": [{"name": "picked", "select": {"type": "point", "fields": ["series"]}, "bind": "legend"}],
                "mark": {"type": "point", "size": 90, "strokeWidth": 1.6, "filled": False},
                "encoding": {
                    "x": x_axis,
                    "y": y_axis,
                    "color": colour,
                    "shape": shape,
                    "fill": colour,
                    "fillOpacity": {"condition": {"test": "datum.kind == 'trained'", "value": 0.85}, "value": 0},
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
