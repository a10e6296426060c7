from __future__ import annotations

from dataclasses import replace

from leaderboard_records import panel

from saebench.report.trends import HEIGHT, MARGIN, WIDTH, Trend, picture, trend_of


def nights(values):
    one = panel()[0]
    made = []
    for day, value in enumerate(values, 1):
        changed = {
            "value": value,
            "low": None if value is None else value - 0.01,
            "high": None if value is None else value + 0.01,
            "undefined": "broken" if value is None else None,
        }
        metric = one.metrics["fvu"].model_copy(update=changed)
        when = one.provenance.model_copy(update={"finished": f"2026-11-{day:02}T03:37:00Z"})
        made.append(one.model_copy(update={"metrics": {**one.metrics, "fvu": metric}, "provenance": when}))
    return made  # fmt: skip


def test_one_run_is_no_trend():
    assert trend_of(nights([0.3]), "fvu") is None
    assert trend_of([], "fvu") is None
    assert trend_of(nights([0.3, 0.3]), "no such metric") is None


def test_lowest_and_highest_end_lie_on_the_margins_and_runs_at_equal_distances():
    trend = trend_of(nights([0.30, 0.34, 0.32]), "fvu")
    drawn = picture(trend)
    assert [x for x, _, _ in drawn.dots] == [MARGIN, WIDTH / 2, WIDTH - MARGIN]
    assert drawn.whiskers[0][1] == HEIGHT - MARGIN
    assert drawn.whiskers[1][2] == MARGIN
    heights = [y for _, y, _ in drawn.dots]
    assert heights[1] < heights[2] < heights[0]


def test_what_never_changes_is_a_line_through_the_middle():
    one, *rest = nights([0.3, 0.3])
    flat = [
        night.model_copy(update={"metrics": {"fvu": night.metrics["fvu"].model_copy(update={"low": 0.3, "high": 0.3})}})
        for night in (one, *rest)
    ]
    assert {y for _, y, _ in picture(trend_of(flat, "fvu")).dots} == {HEIGHT / 2}


def test_an_undefined_night_stays_in_the_list_and_breaks_the_line():
    trend = trend_of(nights([0.3, 0.3, None, 0.3]), "fvu")
    assert [night.value.undefined for night in trend.nights] == [None, None, "broken", None]
    assert [len(line.split()) for line in picture(trend).lines] == [2, 1]
    assert picture(trend_of(nights([None, None]), "fvu")) is None


def test_a_run_that_is_set_apart_is_hollow_and_no_line_leads_to_it():
    trend = trend_of(nights([0.3, 0.3, 0.3, 0.3, 0.3]), "fvu")
    notes = ("", "another", "another", "", "")
    drawn = picture(trend)
    apart = picture(Trend("fvu", tuple(replace(run, note=note) for run, note in zip(trend.nights, notes, strict=True))))
    assert [hollow for _, _, hollow in apart.dots] == [False, True, True, False, False]
    assert [len(line.split()) for line in apart.lines] == [1, 2, 2]
    assert (apart.whiskers, [dot[:2] for dot in apart.dots]) == (drawn.whiskers, [dot[:2] for dot in drawn.dots])
