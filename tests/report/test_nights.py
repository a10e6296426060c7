"""Trends over nightly's history on the pages of subjects: whose they are, what they hold, and that they are text."""

from __future__ import annotations

import json
import shutil

import pytest
from built_boards import boards, files_of, row_called
from leaderboard_records import panel
from made_up_nights import SAE, night, point, three
from parsed_page import parse
from scored_panel import store_panel

from saebench.errors import ResultsError
from saebench.nightly.history import FILE, write_history
from saebench.progress import Silent
from saebench.report.leaderboard import build_leaderboard
from saebench.report.nightly_page import SHOWN
from saebench.report.nights import NOT_RECORDED, OTHERS, watched_of


class Told(Silent):
    """Keeps what a user is told."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def watched(folder, nights, name=SAE):
    write_history(folder, nights)
    (board,) = boards(panel())
    return watched_of([board], [folder]).get(row_called(board, name).page, [])


def as_version_1(folder):
    """The history as it was written before fingerprints were kept."""
    lines = [json.loads(line) for line in (folder / FILE).read_text().splitlines()]
    for line in lines:
        line["schema_version"] = 1
        for one in line["points"]:
            del one["fingerprint"], one["lm"], one["site"]
    (folder / FILE).write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def drawn_nights(folder, nights):
    """The line of the watched metric on the page of its subject, and the caption above it."""
    store_panel(folder / "results")
    write_history(folder / "nights", nights)
    build_leaderboard([folder / "results", folder / "nights"], folder / "board")
    (table,) = [table for page in subject_pages(folder / "board").values() for table in page.all("table", "nights")]
    (row,) = table.all("tbody")[0].all("tr")
    return row, table.all("caption")[0].text


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


def test_foreign_nights_are_hollow_and_told_in_the_words_of_the_picture(tmp_path):
    row, caption = drawn_nights(
        tmp_path, [night(1, point(0.3, fingerprint="0" * 32)), night(2, point(0.4)), night(3, point(0.5))]
    )
    assert [list(dot.classes) for dot in row.all("circle")] == [["hollow"], [], []]
    assert row.all("svg")[0].attributes["aria-label"].endswith(f"; 1 night hollow: {OTHERS}")
    assert "Hollow: nights with other weights or settings" in caption


def test_the_newest_value_is_the_subjects_own_and_what_stood_there_since_is_not_drawn(tmp_path):
    row, caption = drawn_nights(tmp_path, [night(1, point(0.3)), night(2, point(0.9, fingerprint="0" * 32))])
    assert row.all("td")[1].text == "0.300 [0.290, 0.310]"
    assert len(row.all("li")) == 1
    assert "Hollow" not in caption


def test_own_nights_stay_where_another_subject_has_stood_there_for_longer_than_is_shown(tmp_path):
    since = [numbered(number, point(0.9, fingerprint="0" * 32)) for number in range(1, SHOWN + 10)]
    (one,) = watched(tmp_path, [numbered(0, point(0.3)), *since])
    assert [run.value.value for run in one.trend.nights] == [0.3]


def numbered(number, *points):
    return night(1, *points).model_copy(update={"night": f"2026-01-01T{number // 60:02}-{number % 60:02}-00Z"})


def test_nights_beyond_those_that_are_shown_are_counted_and_the_caption_says_where_they_are(tmp_path):
    row, caption = drawn_nights(tmp_path, [numbered(number, point(0.3)) for number in range(SHOWN + 3)])
    assert len(row.all("circle")) == len(row.all("li")) == SHOWN
    assert row.all("summary")[0].text == f"Newest {SHOWN} of {SHOWN + 3} nights"
    assert "Older nights" in caption


def test_nights_of_version_1_are_part_of_the_trend_as_not_recorded(tmp_path):
    write_history(tmp_path, three()[:1])
    as_version_1(tmp_path)
    old = (tmp_path / FILE).read_text()
    write_history(tmp_path, three()[1:])
    with (tmp_path / FILE).open("a") as stream:
        stream.write(old)
    (board,) = boards(panel())
    fvu, kl = watched_of([board], [tmp_path])[row_called(board, SAE).page]
    assert [run.note for run in fvu.trend.nights] == [NOT_RECORDED, "", ""]
    assert [run.note for run in kl.trend.nights] == [NOT_RECORDED, "", ""]


def test_a_history_from_before_fingerprints_gives_no_trend_and_that_is_said(tmp_path):
    store_panel(tmp_path / "results")
    write_history(tmp_path / "nights", three())
    as_version_1(tmp_path / "nights")
    told = Told()
    build_leaderboard([tmp_path / "results", tmp_path / "nights"], tmp_path / "board", progress=told)
    assert [len(page.all("table", "nights")) for page in subject_pages(tmp_path / "board").values()] == [0] * 6
    (note,) = told.notes
    assert note.startswith(f"{tmp_path / 'nights' / FILE}: no trends, for its nights are from before fingerprints")


def test_a_night_on_which_everything_failed_is_no_error(tmp_path):
    assert watched(tmp_path, [night(1, point(812.0, "seconds", kind="cost", fingerprint=None))]) == []


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


def test_nights_of_strangers_are_an_error_beside_others_too(tmp_path):
    write_history(tmp_path / "known", three())
    write_history(tmp_path / "strange", [night(1, point(0.3, name="nobody"))])
    with pytest.raises(ResultsError, match=r"strange.history\.jsonl: none of the subjects"):
        watched_of(boards(panel()), [tmp_path / "known", tmp_path / "strange"])


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
