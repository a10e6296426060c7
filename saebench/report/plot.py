"""The plot of the leaderboard: two numbers of every subject against each other, as a Vega-Lite template.

The reader chooses the axes, so that the page fills in points, titles, scales and series: every `$name` of the template
stands for one of them. Colour and shape both tell the series; trained dictionaries are filled, baselines and controls
hollow and grey. Colours keep a contrast of at least 3 with the light and the dark background.
"""

from __future__ import annotations

from typing import Any

COLOURS = ("#2f7ed8", "#c7622b", "#25936a", "#a35ad6", "#a87b0a", "#c2488f", "#1a8fa8", "#d1495b")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right")
GREY = "#7c858f"
HEIGHT = 360
PALE = 0.3
"""Opacity of subjects that are significantly worse than one with no larger L0."""

Json = dict[str, Any]


def plot_template() -> Json:
    """The specification, with `$points`, `$front`, `$x`, `$y` (titles), `$x_scale`, `$y_scale`, `$x_axis`, `$y_axis`,
    `$names`, `$colours`, `$fills`, `$shapes`, `$listed` (series in the legend) and `$description` to be filled in.

    A point has `name`, `series`, `x`, `y`, their texts `x_text` and `y_text`, `pale`, and the ends of its intervals
    `x_low`, `x_high`, `y_low`, `y_high` where it has them.
    """
    x = {"field": "x", "type": "quantitative", "title": "$x", "scale": "$x_scale", "axis": "$x_axis"}
    y = {"field": "y", "type": "quantitative", "title": "$y", "scale": "$y_scale", "axis": "$y_axis"}
    colour = _by_series("$colours")
    pale = {"test": "datum.pale", "value": PALE}
    faded = {"condition": [{"test": {"not": {"param": "picked"}}, "value": 0.12}, pale], "value": 1}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": "$description",
        "width": "container",
        "height": HEIGHT,
        "autosize": {"type": "fit", "contains": "padding"},
        "data": {"values": "$points"},
        "layer": [
            {
                "data": {"values": "$front"},
                "mark": {"type": "line", "strokeWidth": 1.2, "strokeDash": [4, 3], "color": GREY, "aria": False},
                "encoding": {"x": x, "y": y},
            },
            _whisker({"x": x, "y": y | {"field": "y_low"}, "y2": {"field": "y_high"}}, "y", colour, faded),
            _whisker({"x": x | {"field": "x_low"}, "x2": {"field": "x_high"}, "y": y}, "x", colour, faded),
            {
                "params": [{"name": "picked", "select": {"type": "point", "fields": ["series"]}, "bind": "legend"}],
                "mark": {"type": "point", "size": 90, "strokeWidth": 1.6, "fillOpacity": 0.85},
                "encoding": {
                    "x": x,
                    "y": y,
                    "color": colour,
                    "fill": _by_series("$fills"),
                    "shape": _by_series("$shapes"),
                    "opacity": faded,
                    "href": {"field": "page"},
                    "tooltip": [
                        {"field": "name", "title": "Subject"},
                        {"field": "series", "title": "Architecture"},
                        {"field": "x_text", "title": "$x"},
                        {"field": "y_text", "title": "$y"},
                    ],
                },
            },
        ],
    }  # fmt: skip


def _by_series(marks: str) -> Json:
    scale = {"domain": "$names", "range": marks}
    return {"field": "series", "type": "nominal", "title": None, "scale": scale, "legend": {"values": "$listed"}}


def _whisker(place: Json, axis: str, colour: Json, faded: Json) -> Json:
    return {
        "transform": [{"filter": f"isValid(datum.{axis}_low)"}],
        "mark": {"type": "rule", "strokeWidth": 1.4, "aria": False},
        "encoding": place | {"color": colour, "opacity": faded},
    }


def plot_json() -> Json:
    """What the page's script draws plots from."""
    return {"template": plot_template(), "colours": COLOURS, "shapes": SHAPES, "grey": GREY}
