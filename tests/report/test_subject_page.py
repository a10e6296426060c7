from __future__ import annotations

import pytest
from built_boards import boards, row_called
from leaderboard_records import CARD, PANEL, TASK, metrics, panel, record
from parsed_page import Element, parse
from scored_panel import item_tables, store_panel, values

from saebench.report.boards import boards_of
from saebench.report.card_page import card_pages_of
from saebench.report.numbers import DASH
from saebench.report.subject_page import subject_page
from saebench.results.schema import SubmissionRecord
from saebench.results.store import ResultStore

HOSTILE = '</style><img src=x onerror="alert(1)">&amp;{{ 7*7 }}'
PAGES = card_pages_of([TASK])


def page_of(board, name) -> Element:
    return parse(subject_page(board, row_called(board, name), "Board", PAGES))


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    (board,) = boards(store_panel(folder), store=ResultStore(folder))
    return board


def test_it_needs_no_script_and_leads_only_to_pages_of_the_site(scored):
    root = page_of(scored, "relu-s0")
    assert root.all("script") == []
    links = {e.attributes["href"].partition("#")[0] for e in root.everything() if "href" in e.attributes}
    pages = {f"{row.page}.html" for row in scored.rows}
    assert links <= {"", "data:,", "../index.html", f"../{PAGES[TASK]}", *pages}


def test_it_says_where_the_subject_stands(scored):
    text = page_of(scored, "topk-k32-s0").all("p", "standing")[0].text
    assert f"rank 2{DASH}3 of 6" in text
    assert "cannot be told apart from 1 other subject." in text
    assert "shares its tie group with nobody" in page_of(scored, "mean").all("p", "standing")[0].text


def test_the_neighbourhood_stands_best_first_around_the_subject_with_the_base(scored):
    root = page_of(scored, "topk-k32-s1")
    table = root.all("table", "near")[0]
    rows = table.all("tbody")[0].all("tr")
    names = [row.all("th")[0].text for row in rows]
    order = [row.name for row in scored.rows]
    assert [name.split(" ")[0] for name in names] == order
    own = next(row for row in rows if "own" in row.classes)
    assert own.all("th")[0].text == "topk-k32-s1"
    assert "pca-32 baseline base" in names
    told = {row.all("th")[0].all("a")[0].text: row.all("td")[-1].text for row in rows if row is not own}
    assert told == {"identity": "yes", "topk-k32-s0": "no", "relu-s0": "yes", "pca-32": "yes", "mean": "yes"}


def test_every_metric_and_all_of_its_identity_are_there():
    (board,) = boards()
    one = panel()[0]
    root = page_of(board, one.subject.name)
    tables = [t for t in root.all("table", "small") if t.all("thead")[0].text.startswith("MetricValue")]
    assert sum(len(table.all("tbody")[0].all("tr")) for table in tables) == len(one.metrics)
    for needed in (one.id, one.subject.fingerprint, "licence: CC0", "saebench 0.1.0", "batch 16", one.items.sha256):
        assert needed in root.text
    assert "never ranked" in root.text


def test_items_are_listed_or_told_by_both_ends(scored):
    root = page_of(scored, "relu-s0")
    summaries = [e.text for e in root.all("summary")]
    assert "24 documents" in summaries
    assert "40 latents" in summaries
    assert "document 23" in root.text


def test_eval_seeds_stand_side_by_side(tmp_path):
    store = ResultStore(tmp_path)
    made = []
    for seed in (0, 1):
        tables = item_tables(32.0, 0.1, seed)
        made.append(store.write(record("sae", "topk", None, 0, values(tables), eval_seed=seed), tables))
    (board,) = boards(made, store=store)
    root = page_of(board, "sae")
    assert "2 evaluation seeds" in [e.text for e in root.all("summary")]
    pooled = float(board.groups[0].entries[board.rows[0].fingerprint].values[0].value)
    single = [one.metrics["loss_recovered"].value for one in made]
    assert min(single) < pooled < max(single)


def test_a_unit_of_several_nights_has_a_trend():
    one, *rest = panel()
    later = one.model_copy(
        update={
            "provenance": one.provenance.model_copy(update={"finished": "2026-11-21T10:04:00Z", "saebench": "0.2.0"})
        }
    )
    (board,) = boards_of(
        [later, *rest],
        type("Nothing", (), {"items": lambda self, record: {}})(),
        cards={TASK: CARD},
        audits={},
        versions={one.id: [one, later]},
    )
    root = page_of(board, one.subject.name)
    assert "Loss recovered over 2 runs" in [e.text for e in root.all("summary")]
    assert len(root.all("svg", "trend")[0].all("circle")) == 2
    assert page_of(board, rest[0].subject.name).all("svg") == []


def test_dictionaries_that_differ_in_training_seed_alone_know_each_other():
    (board,) = boards()
    siblings = page_of(board, "batchtopk-k32-s0").all("section")[-2]
    assert [link.text for link in siblings.all("a")] == ["batchtopk-k32-s1"]


def test_hostile_texts_stay_text():
    one = panel()[0]
    subject = one.subject.model_copy(update={"name": HOSTILE, "spec": HOSTILE, "provenance": {HOSTILE: HOSTILE}})
    changed = one.model_copy(
        update={
            "subject": subject,
            "details": {HOSTILE: {HOSTILE: HOSTILE}},
            "submission": SubmissionRecord(name=HOSTILE, status="self-reported"),
        }
    )
    (board,) = boards([changed])
    root = page_of(board, HOSTILE)
    assert root.all("img") == []
    assert root.all("h1")[0].text.startswith(HOSTILE)
    assert "Self-reported." in root.all("p", "unfit")[0].text


def test_an_undefined_headline_is_told_with_its_reason():
    (board,) = boards()
    text = page_of(board, "oracle-less").all("p", "standing")[0].text
    assert "clean loss is not below zero-ablation loss" in text


def test_a_subject_of_a_task_without_a_card_has_a_page():
    name, architecture, role, seed, l0, recovered, fvu, dead = PANEL[0]
    made = record(name, architecture, role, seed, metrics(l0, recovered, fvu, dead))
    (board,) = boards([made], cards={})
    assert made.id in page_of(board, name).text


def test_the_status_counts_the_results_that_came_with_a_submission():
    one, *_ = panel()
    sent = {
        status: one.model_copy(
            update={"eval_seed": seed, "submission": SubmissionRecord(name="theirs", status=status) if status else None}
        )
        for seed, status in enumerate(("", "self-reported", "reproduced"))
    }

    def told(*statuses):
        (board,) = boards([sent[status] for status in statuses])
        header = page_of(board, one.subject.name).all("header", "page")[0]
        return [line.text for line in (*header.all("p", "unfit"), *header.all("p", "agreed"))]

    assert told("") == []
    (line,) = told("", "reproduced")
    assert line.startswith("Reproduced.")
    assert "agree: 1 of 2." in line
    (line,) = told("", "self-reported")
    assert line.startswith("Self-reported.")
    assert "not scored again here: 1 of 2." in line
    assert [line.partition(".")[0] for line in told("", "self-reported", "reproduced")] == [
        "Self-reported",
        "Reproduced",
    ]
