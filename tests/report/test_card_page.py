from __future__ import annotations

from dataclasses import replace

import pytest
from built_boards import audit_of_page
from leaderboard_records import CARD, SITE, TASK
from parsed_page import parse

from saebench.packaged_files import packaged
from saebench.report.card_page import card_page, card_pages_of, prose_of

CARDS = sorted(path.stem for path in (packaged("suites") / "cards").glob("*.md"))


def test_definitions_come_from_the_card():
    text = parse(card_page(TASK, CARD, None, "Board")).all("section", "definitions")[0].text
    assert all(" ".join(metric.definition.split()) in text for metric in CARD.metrics)


@pytest.mark.parametrize("task", CARDS)
def test_every_packaged_card_is_a_page_with_its_prose(task):
    prose = prose_of(task)
    assert prose is not None
    assert "Measured reliability" not in prose, "the audit has a section of its own"
    root = parse(card_page(task, None, None, "Board"))
    assert root.all("h1")[0].text == task
    assert len(root.all("section", "prose")[0].text) > 500
    assert root.all("script") == []


def test_the_audit_is_told_in_full_and_its_texts_stay_text():
    text = parse(card_page(TASK, CARD, audit_of_page(SITE), "Board")).all("section", "audit")[0].text
    assert "5 seeds, 1 subject (a)" in text
    assert "Signal to noise 0.40." in text, "a reason for all metrics stands alone"
    assert "<b>not measured</b>" in text


def test_a_task_without_a_card_or_an_audit_has_a_page_that_says_so():
    text = parse(card_page("theirs@1", None, None, "Board")).text
    assert "This task has no card here." in text
    assert "saebench audit theirs@1" in text


def test_names_of_tasks_reach_no_other_folder():
    assert prose_of("../../README") is None
    assert card_pages_of(["../x@1"])["../x@1"] == "cards/x@1.html"
    page = parse(card_page('"><img src=x>@1', replace(CARD, unfit="<i>no</i>"), None, "Board"))
    assert page.all("img") == []
    assert "<i>no</i>" in page.all("p", "unfit")[0].text
