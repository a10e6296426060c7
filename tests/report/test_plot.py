from __future__ import annotations

import re

import pytest
from leaderboard_records import CARD, TASK, metrics, panel, record

from saebench.packaged_files import packaged
from saebench.report.plot import COLOURS, GREY, sparsity_plot
from saebench.report.view import sections


def plot_of(records):
    (section,) = sections(records, {TASK: CARD}, {}, {})
    return sparsity_plot(section)


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def schemes() -> list[dict[str, str]]:
    style = (packaged("site") / "page.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    light, dark = (dict(re.findall(r"--([a-z-]+): (#\w{3,6});", block)) for block in blocks)
    full = [light, {**light, **dark}]
    return [{k: v if len(v) == 7 else "#" + "".join(2 * c for c in v[1:]) for k, v in one.items()} for one in full]


def test_black_on_white_has_the_contrast_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("scheme", schemes(), ids=["light", "dark"])
def test_texts_and_marks_can_be_seen(scheme: dict[str, str]) -> None:
    pairs = [(text, ground) for text in ("ink", "muted", "accent") for ground in ("paper", "tint")]
    pairs += [("control", "control-tint"), ("baseline", "baseline-tint"), ("ink", "control-tint")]
    assert {pair: contrast(scheme[pair[0]], scheme[pair[1]]) for pair in pairs if
            contrast(scheme[pair[0]], scheme[pair[1]]) < 4.5} == {}  # fmt: skip
    assert [colour for colour in (*COLOURS, GREY, scheme["bar"]) if contrast(colour, scheme["paper"]) < 3] == []


def test_exactly_those_without_a_place_are_left_out() -> None:
    plot = plot_of(panel())
    assert plot is not None
    assert set(plot.left_out) == {"mean", "oracle-less"}
    drawn = {point["name"] for _, spec in plot.panels for point in spec["data"]["values"]}
    assert drawn == {one.subject.name for one in panel()} - {"mean", "oracle-less"}


def test_every_series_has_its_own_mark_and_controls_are_hollow() -> None:
    plot = plot_of(panel())
    assert plot is not None
    for _, spec in plot.panels:
        points = spec["layer"][-1]["encoding"]
        scales = [points[channel]["scale"] for channel in ("color", "fill", "shape")]
        assert len({tuple(scale["domain"]) for scale in scales}) == 1
        names, fills = scales[0]["domain"], scales[1]["range"]
        assert {name for name, fill in zip(names, fills, strict=True) if fill == "transparent"} == {
            name for name in names if name.endswith(("(control)", "(baseline)"))
        }
        marks = list(zip(scales[0]["range"], scales[2]["range"], strict=True))
        assert len(set(marks)) == len(marks)


def test_trained_ones_have_a_panel_that_controls_cannot_squeeze() -> None:
    plot = plot_of(panel())
    assert plot is not None
    assert [title for title, _ in plot.panels] == ["Trained dictionaries", "All subjects"]
    assert {point["kind"] for point in plot.panels[0][1]["data"]["values"]} == {"trained"}


def test_whiskers_are_the_ends_of_the_intervals() -> None:
    plot = plot_of(panel())
    assert plot is not None
    by_name = {one.subject.name: one.metrics for one in panel()}
    for point in plot.panels[1][1]["data"]["values"]:
        found = by_name[point["name"]]
        assert (point["y_low"], point["y_high"]) == (found["loss_recovered"].low, found["loss_recovered"].high)
        assert (point["x_low"], point["x_high"]) == (found["l0"].low, found["l0"].high)


def test_nothing_to_draw_gives_no_plot() -> None:
    assert plot_of([record("mean", "mean", "mean", None, metrics(0.0, 0.0, 1.0, 0.0))]) is None
