"""Drift: a quiet series stays inside its interval and has no step, a step is dated, and nights may be few or apart."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from saebench.errors import ResultsError
from saebench.nightly.code import Code
from saebench.nightly.costs import cost_points
from saebench.nightly.drift import FEWEST, prediction, series_of, step
from saebench.nightly.history import FILE, NightLine, Point, read_history, write_history

CODE = Code(saebench="0.1.0", commit=None)


def nights(values, *, margin=None, kind="score"):
    return [
        NightLine(
            night=f"2026-01-{number + 1:02}T03-37-00Z",
            code=CODE,
            points=(Point(series="s", subject="topk", task="t@1", metric="m", value=value, margin=margin, kind=kind),),
        )
        for number, value in enumerate(values)
    ]


def test_the_prediction_interval_holds_the_next_value_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(size=(4000, 13))
    outside = np.mean([prediction(row[:-1], row[-1], 0.05).outside for row in draws])
    assert abs(outside - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 4000)


def test_the_interval_is_the_textbook_one():
    before = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    found = prediction(before, 3.5, 0.05)
    half = stats.t.ppf(0.975, 5) * before.std(ddof=1) * np.sqrt(1 + 1 / 6)
    assert (found.low, found.high) == (pytest.approx(3.5 - half), pytest.approx(3.5 + half))


def test_few_nights_predict_nothing_and_a_constant_series_predicts_itself():
    assert prediction(np.ones(FEWEST - 1), 1.0, 0.05) is None
    assert not prediction(np.ones(FEWEST), 1.0, 0.05).outside
    assert prediction(np.ones(FEWEST), 1.01, 0.05).outside


def test_a_step_is_dated_to_the_night_it_happened():
    rng = np.random.default_rng(1)
    values = [*(0.8 + 0.002 * rng.normal(size=14)), *(0.7 + 0.002 * rng.normal(size=8))]
    found = series_of(nights(values))[0].step
    assert found.night == "2026-01-15T03-37-00Z"
    assert found.before == pytest.approx(0.8, abs=0.005)
    assert found.after == pytest.approx(0.7, abs=0.005)


def test_a_quiet_series_has_a_step_no_more_often_than_the_level():
    draws = np.random.default_rng(2).normal(size=(500, 24))
    names = [str(number) for number in range(24)]
    assert np.mean([step(row, names, 0.05, 0.0) is not None for row in draws]) < 0.06


def test_a_step_smaller_than_the_margin_is_none():
    values = [0.8] * 10 + [0.79] * 10
    assert series_of(nights(values, margin=0.02))[0].step is None
    assert series_of(nights(values, margin=0.005))[0].step is not None
    assert series_of(nights(values))[0].step is None, "without a margin, 2 % of the level"


def test_a_series_that_tonight_does_not_have_is_left_out():
    last = NightLine(night="2026-02-01T00-00-00Z", code=CODE, points=())
    assert series_of([*nights([0.5] * 8), last]) == []
    assert series_of([]) == []


def test_history_is_read_back_in_the_order_of_the_nights(tmp_path):
    made = nights([0.1, 0.2, 0.3])
    write_history(tmp_path, made[::-1])
    assert read_history(tmp_path) == made
    assert read_history(tmp_path / "nowhere") == []


def test_a_damaged_line_is_one_clear_error(tmp_path):
    write_history(tmp_path, nights([0.1]))
    with (tmp_path / FILE).open("a") as stream:
        stream.write('{"night": 3}\n')
    with pytest.raises(ResultsError, match=r"history.jsonl: line 2 is no night") as caught:
        read_history(tmp_path)
    assert caught.value.remedy == "delete that line"


def test_a_line_of_a_newer_version_is_not_called_damaged(tmp_path):
    write_history(tmp_path, nights([0.1]))
    with (tmp_path / FILE).open("a") as stream:
        stream.write('{"schema_version": 3, "night": "2027-01-01T00-00-00Z", "weather": "rain"}\n')
    with pytest.raises(ResultsError, match=r"history.jsonl: line 2 was written by a newer saebench") as caught:
        read_history(tmp_path)
    assert caught.value.remedy == "upgrade saebench"


def test_a_line_of_version_1_is_read_and_names_no_fingerprint(tmp_path):
    # as saebench wrote it before points said what was scored and where, then with an empty text for "none"
    point = '"series": "s", "subject": "topk", "task": "t@1", "metric": "m", "value": 0.1'
    rest = '"code": {"saebench": "0.1.0", "commit": null}, "schema_version": 1'
    lines = [
        f'{{"night": "2026-01-01T03-37-00Z", {rest}, "points": [{{{point}}}]}}',
        f'{{"night": "2026-01-02T03-37-00Z", {rest}, "points": [{{{point}, "fingerprint": ""}}]}}',
    ]
    (tmp_path / FILE).write_text("\n".join(lines) + "\n")
    assert read_history(tmp_path) == nights([0.1, 0.1])
    assert [night.points[0].fingerprint for night in read_history(tmp_path)] == [None, None]


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path):
    (night,) = nights([0.1])
    odd = night.model_copy(update={"points": (night.points[0].model_copy(update={"setting": "a\u2028b"}),)})
    write_history(tmp_path, [odd])
    assert read_history(tmp_path) == [odd]


def scored(seconds, peak, threads=1):
    """What `cost_points` reads of a result."""
    where = SimpleNamespace(platform="linux", device="cpu", threads=threads, batch_size=4)
    return SimpleNamespace(task="t@1", cost={"seconds": seconds, "peak_memory_bytes": peak}, provenance=where)


def test_cost_is_the_mean_of_times_and_the_largest_memory_on_like_machines():
    points = {(point.task, point.metric): point for point in cost_points([scored(1.0, 10.0), scored(3.0, 30.0)], 9.0)}
    assert points["t@1", "seconds"].value == 2
    assert points["t@1", "peak_memory_bytes"].value == 30
    assert points["night", "seconds"].value == 9
    other = cost_points([scored(1.0, 10.0, threads=8)], 9.0)
    assert {point.series for point in other}.isdisjoint(point.series for point in points.values())
    assert cost_points([], 9.0) == []
