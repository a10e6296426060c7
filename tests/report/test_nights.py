"""Trends over nightly's history on the pages of subjects: whose they are, what they hold, and that they are text."""

from __future__ import annotations

import shutil

import pytest
from built_boards import boards, files_of, row_called
from leaderboard_records import panel
from made_up_nights import SAE, night, point, three
from parsed_page import parse
from scored_panel import store_panel

from saebench.errors import ResultsError
from saebench.nightly.history import FILE, write_history
from saebench.report.leaderboard import build_leaderboard
from saebench.report.nights import OTHERS, watched_of


def watched(folder, nights, name=SAE):
    write_history(folder, nights)
    (board,) = boards(panel())
    return watched_of([board], [folder]).get(row_called(board, name).page, [])


def subject_pages(folder):
    pages = {name: data.decode() for name, data in files_of(folder).items() if name.startswith("subjects/")}
    return {name: parse(text) for name, text in pages.items()}


def test_the_page_of_a_watched_subject_draws_each_metric_with_all_nights(tmp_path):
    store_panel(tmp_path / "results")
    write_history(tmp_path / "nights", three())
    build_leaderboard([tmp_path / "nights", tmp_path / "results"], tmp_path / "board")
    pages = subject_pages(tmp_path / "board")
    (page,) = [page for name, page in pages.items() if name.startswith(f"subjects/{SAE}-")]
    assert len(pages) == 6
    assert [len(other.all("svg", "trend")) for other in pages.values() if other is not page] == [0] * 5
    drawn = page.all("table", "nights")[0].all("tbody")[0].all("tr")
    assert [[cell.text for cell in row.all("td")[:2]] for row in drawn] == [
        ["FVU", "0.320 [0.310, 0.330]"],
        ["KL", "0.680 [0.670, 0.690]"],
    ]
    assert [len(row.all("svg")[0].all("circle")) for row in drawn] == [3, 3]
    assert [line.text for line in drawn[0].all("li")] == [
        "2026-11-03T03-37-00Z: 0.320 [0.310, 0.330], saebench 0.1.0 at 000000000003",
        "2026-11-02T03-37-00Z: 0.340 [0.330, 0.350], saebench 0.1.0 at 000000000002",
        "2026-11-01T03-37-00Z: 0.300 [0.290, 0.310], saebench 0.1.0 at 000000000001",
    ]
    assert page.all("script") == []


def test_how_the_nights_are_spread_over_folders_changes_no_byte(tmp_path):
    store_panel(tmp_path / "results")
    first, second, third = three()
    write_history(tmp_path / "all", [first, second, third])
    write_history(tmp_path / "some", [third, first])
    write_history(tmp_path / "others", [second, first])
    build_leaderboard([tmp_path / "results", tmp_path / "all"], tmp_path / "a")
    build_leaderboard([tmp_path / "others", tmp_path / "results", tmp_path / "some"], tmp_path / "b")
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_a_results_folder_may_hold_the_history_itself(tmp_path):
    store_panel(tmp_path)
    write_history(tmp_path, three())
    build_leaderboard([tmp_path], tmp_path / "board")
    assert sum(len(page.all("table", "nights")) for page in subject_pages(tmp_path / "board").values()) == 1


@pytest.mark.parametrize("other", [{"fingerprint": "0" * 32}, {"lm": "0" * 32}, {"site": "blocks.3.hook_mlp_out"}])
def test_the_same_name_elsewhere_is_another_subject(tmp_path, other):
    nights = [night(1, point(0.3, **other), point(0.5, name="mean"))]
    assert watched(tmp_path, nights) == []
    assert len(watched(tmp_path, nights, "mean")) == 1


def test_nights_with_other_weights_under_the_name_are_part_of_the_trend_and_say_so(tmp_path):
    (one,) = watched(tmp_path, [night(1, point(0.3, fingerprint="0" * 32)), night(2, point(0.4))])
    assert [run.note for run in one.trend.nights] == [OTHERS, ""]


def test_where_another_history_began_the_newer_one_is_drawn(tmp_path):
    changed = [night(4, point(0.5, series="two")), night(5, point(0.6, series="two"))]
    (one,) = watched(tmp_path, [night(1, point(0.3)), night(2, point(0.4)), *changed])
    assert [run.value.value for run in one.trend.nights] == [0.5, 0.6]


def test_a_metric_that_the_newest_night_does_not_have_stays(tmp_path):
    fvu, kl = watched(tmp_path, [*three(), night(4, point(0.3))])
    assert [len(fvu.trend.nights), len(kl.trend.nights)] == [4, 3]


def test_what_scoring_cost_is_nobodys_metric(tmp_path):
    (one,) = watched(tmp_path, [night(1, point(0.3), point(812.0, "seconds", kind="cost"))])
    assert one.trend.metric == "fvu"


def test_nights_of_strangers_are_one_clear_error(tmp_path):
    with pytest.raises(ResultsError, match=r"history\.jsonl: none of the subjects .* has a result here") as caught:
        watched(tmp_path, [night(1, point(0.3, name="nobody"))])
    assert "results" in caught.value.remedy


def test_a_damaged_history_is_told_by_file_and_line(tmp_path):
    store_panel(tmp_path / "results")
    write_history(tmp_path / "nights", three())
    with (tmp_path / "nights" / FILE).open("a") as stream:
        stream.write("{}\n")
    with pytest.raises(ResultsError, match=r"history\.jsonl: line 4"):
        build_leaderboard([tmp_path / "results", tmp_path / "nights"], tmp_path / "board")


def test_hostile_words_of_a_history_stay_text(tmp_path):
    evil = '"><img src=x onerror="alert(1)">'
    store_panel(tmp_path / "results")
    # fmt: off
    write_history(tmp_path / "nights", [
        night(1, point(0.3, metric=evil, setting=evil), commit=evil), night(2, point(0.3, metric=evil, setting=evil)),
    ])
    # fmt: on
    build_leaderboard([tmp_path / "results", tmp_path / "nights"], tmp_path / "board")
    for page in subject_pages(tmp_path / "board").values():
        assert page.all("img") == []
        assert not any("onerror" in element.attributes for element in page.everything())


def test_results_of_the_nights_folders_own_runs_are_not_read(tmp_path):
    store_panel(tmp_path / "results")
    write_history(tmp_path / "nights", three())
    build_leaderboard([tmp_path / "results", tmp_path / "nights"], tmp_path / "a")
    shutil.copytree(tmp_path / "results", tmp_path / "nights" / "2026-11-03T03-37-00Z" / "results")
    build_leaderboard([tmp_path / "results", tmp_path / "nights"], tmp_path / "b")
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
