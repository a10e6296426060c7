from __future__ import annotations

from dataclasses import replace

from built_boards import NoItems, index, row_called
from leaderboard_records import CARD, SITE, TASK, panel
from parsed_page import parse

from saebench.report.boards import boards_of
from saebench.report.card_page import card_pages_of
from saebench.report.index_page import index_page
from saebench.report.subject_page import subject_page
from saebench.results.aggregates import Aggregate, LeftOut, Part
from saebench.results.common_scale import PartScore
from saebench.results.scopes import Scope
from saebench.results.standings import Comparison, Row
from saebench.stats import Estimate

LM = panel()[0].model.name
PLACE = Scope("quick", "aggregate", SITE, LM, "k" * 32, "dictionary")
MEANS = {"topk-k32-s0": (0.8, 0.7), "topk-k64-s0": (0.9, 0.5), "pca-32": (0.4, None)}


def estimate(value):
    return (
        Estimate(value, value - 0.02, value + 0.02, 64)
        if value is not None
        else Estimate(None, None, None, 0, "no result")
    )


def aggregate(tasks=(TASK, "another@1")) -> Aggregate:
    parts = tuple(
        Part(
            replace(PLACE, task=task, setting=""),
            "loss_recovered",
            1 / len(tasks),
            {name: PartScore(estimate(values[at]), "random-32", "identity") for name, values in MEANS.items()},
        )
        for at, task in enumerate(tasks)
    )
    rows = tuple(
        Row(name, estimate(None if None in values else sum(values) / 2), None, None, (1, 2), ("a",))
        for name, values in MEANS.items()
    )
    comparison = Comparison(PLACE, "aggregate", "up", None, True, None, 1, None, rows)
    left_out = (LeftOut(replace(PLACE, task="weak@1", setting=""), "x", "audited as weak"),)
    return Aggregate("dictionary", parts, left_out, comparison)


def boards(*aggregates):
    return boards_of(panel(), NoItems(), cards={TASK: CARD}, audits={}, versions={}, aggregates=aggregates)


def test_the_mean_leads_and_its_parts_stand_beside_it():
    (board,) = boards(aggregate())
    group = board.groups[0]
    assert board.leading is group
    assert [column.label for column in group.columns] == ["Aggregate", TASK, "another@1"]
    assert [row.name for row in board.rows][:3] == ["topk-k32-s0", "topk-k64-s0", "pca-32"]
    values = group.entries[row_called(board, "topk-k32-s0").fingerprint].values
    assert [round(value.value, 6) for value in values] == [0.75, 0.8, 0.7]
    assert group.entries[row_called(board, "pca-32").fingerprint].values[0].undefined == "no result"


def test_a_mean_of_one_task_is_none():
    (board,) = boards(aggregate(tasks=(TASK,)))
    assert [group.task for group in board.groups] == [TASK]


def test_an_aggregate_of_another_place_is_not_shown():
    elsewhere = aggregate()
    moved = replace(
        elsewhere, comparison=replace(elsewhere.comparison, scope=replace(PLACE, site="blocks.1.hook_mlp_out"))
    )
    (board,) = boards(moved, replace(aggregate(), kind="set"))
    assert [group.task for group in board.groups] == [TASK]


def test_pages_say_what_it_is_made_of_and_what_was_left_out():
    (board,) = boards(aggregate())
    pages = card_pages_of([TASK])
    root = parse(index_page([board], panel(), "Board", pages))
    about = next(e for e in root.all("article") if e.attributes.get("id") == "about-aggregate").text
    assert "another@1 by Loss recovered, weight 0.5" in about
    assert "weak@1" in about
    assert "audited as weak" in about
    page = parse(subject_page(board, row_called(board, "topk-k32-s0"), "Board", pages))
    assert "Aggregate" in page.all("section", "task")[0].text
    assert "../index.html#about-aggregate" in {e.attributes["href"] for e in page.all("a")}
    assert "about-aggregate" not in index()
