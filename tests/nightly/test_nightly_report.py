"""What a night says: names from strangers stay text, what fell comes first, and the page needs no script."""

from __future__ import annotations

import json
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from nights import compared

from saebench.bench import Failure
from saebench.nightly.code import Code
from saebench.nightly.comparing import Cell, Compared
from saebench.nightly.drift import series_of
from saebench.nightly.golden import Golden, GoldenChange
from saebench.nightly.history import NightLine
from saebench.nightly.night import Night, Request, score_points
from saebench.nightly.reference import Facts, Reference
from saebench.nightly.verdicts import judge
from saebench.report.nightly import MOST_ROWS, headline, markdown
from saebench.report.nightly_json import night_json
from saebench.report.nightly_page import trends_page
from saebench.stats import Estimate

RNG = np.random.default_rng(4)
BEFORE = RNG.uniform(0.3, 0.7, 40)
NOISE = RNG.normal(0, 0.02, 40)
EVIL = "<script>alert(1)</script>|`x` [y](javascript:z)\n# heading"
THEN, NOW = Code(saebench="0.1.0", commit="aaaaaaaaaaaa"), Code(saebench="0.1.0", commit="bbbbbbbbbbbb-dirty")


def cell(name, change):
    made = compared(name, BEFORE, BEFORE + change)
    now, then = (float(np.mean(scores)) for scores in (BEFORE + change, BEFORE))
    return replace(
        made, now=Estimate(now, now - 0.05, now + 0.05, 40), then=Estimate(then, then - 0.05, then + 0.05, 40)
    )


FELL, NOISY = cell(EVIL, NOISE - 0.2), cell("noisy", 10 * NOISE)
MOVED_DATA = Compared(Cell("old", "toy@1", "", "quality"), "old", "up", reason="data changed: eval")


def night_of(*cells, again=(), **settings):
    facts = Facts(
        panel="mine",
        suite="small-v1",
        reason="first | reference",
        by="root",
        made="2026-01-01T00:00:00+00:00",
        code=THEN,
        eval_seeds=(0,),
        confirming_seeds=(1, 2),
        definitions={},
    )
    golden = Golden(definitions={"toy@1": "a"}, values={"toy@1": {}})
    made = Night(
        folder=Path("nightly/n"),
        name="n",
        request=Request(Path("our nights"), "mine", "small", Path("reference")),
        suite="small-v1",
        code=NOW,
        reference=Reference(Path("reference"), facts, golden, ()),
        golden_count=500,
        golden=(),
        redefined=(),
        verdicts=tuple(judge(cells, again)),
        drift=(),
        failures=(),
        seconds=90.0,
    )
    return replace(made, **settings)


def test_a_quiet_night_is_said_in_a_line_and_asks_for_nothing():
    quiet = night_of(cell("topk", 0 * NOISE))
    assert headline(quiet) == "nothing fell"
    assert "What now" not in markdown(quiet)
    assert night_json(quiet, 0)["counts"]["equivalent"] == 1


def test_a_night_that_could_not_see_everything_does_not_say_that_nothing_fell():
    assert headline(night_of(NOISY)) == "no fall confirmed, 1 cell inconclusive"
    assert headline(night_of(cell("topk", 0 * NOISE), MOVED_DATA)) == "nothing fell, 1 cell not comparable"


def test_what_fell_comes_first_with_the_way_to_find_out_why():
    text = markdown(night_of(FELL, NOISY, MOVED_DATA, again=[FELL]))
    assert text.splitlines()[0] == "# Nightly n: 1 cell fell, 1 cell inconclusive, 1 cell not comparable"
    titles = [line for line in text.splitlines() if line.startswith("## ")]
    assert titles == [
        "## Fell, and again under fresh seeds",
        "## 1 cell inconclusive",
        "## 1 cell not comparable",
        "## What now",
    ]
    assert "git log --oneline aaaaaaaaaaaa..bbbbbbbbbbbb" in text
    accept = "saebench nightly --panel mine --suite small --out 'our nights' --reference reference --update-reference"
    assert accept in text
    assert "data changed: eval" in text


def test_names_of_strangers_stay_text_in_every_report():
    night = night_of(FELL, again=[FELL], failures=(Failure(EVIL, EVIL, ""),))
    text = markdown(night)
    assert "<script" not in text
    assert "\n# heading" not in text
    for row in (line for line in text.splitlines() if line.startswith("|") and "alert" in line):
        assert row.replace("\\|", "").count("|") in {3, 8}, "no new cell"
    report = night_json(night, 4)
    assert json.loads(json.dumps(report, allow_nan=False))["issues"][0]["title"].endswith("fell")
    line = NightLine(night="n", code=NOW, points=tuple(score_points(night.verdicts)))
    page = trends_page([line], series_of([line]), headline(night))
    assert "<script" not in page
    assert "default-src 'none'" in unescape(page)


def test_a_long_table_is_cut_and_says_so():
    changes = tuple(GoldenChange("toy@1", f"s{number}", "m", 0.5, None, True) for number in range(MOST_ROWS + 7))
    text = markdown(night_of(cell("topk", 0 * NOISE), golden=changes, redefined=("toy@1",)))
    assert "7 more in report.json" in text
    assert "Metric definitions of toy@1 changed under the same version" in text
    assert text.count("not there") == MOST_ROWS


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"failures": (Failure("a", "torn", ""),)}, "1 unit failed"),
        ({"verdicts": tuple(judge([MOVED_DATA]))}, "nothing could be compared"),
        ({"verdicts": tuple(judge([replace(MOVED_DATA, lost=True), NOISY]))}, "1 cell lost its value"),
    ],
)
def test_what_wants_a_look_is_in_the_first_line(settings, said):
    night = night_of(NOISY, **settings)
    assert said in headline(night)
    assert "What now" in markdown(night)


class Outline(HTMLParser):
    """Tags of a page, and whether each was closed."""

    VOID = ("meta", "link", "br")

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_draws_every_series_and_can_be_read_without_seeing_it():
    lines = []
    for number in range(9):
        verdicts = judge([cell("topk", 0.01 * number * NOISE), cell("other", 0 * NOISE)])
        lines.append(NightLine(night=f"2026-01-0{number + 1}", code=NOW, points=tuple(score_points(verdicts))))
    outline = Outline()
    outline.feed(trends_page(lines, series_of(lines), "nothing fell"))
    assert not outline.open
    pictures = [attributes for tag, attributes in outline.seen if tag == "svg"]
    assert len(pictures) == 2
    assert all(one["aria-label"].startswith("9 nights between") for one in pictures)
    assert all("scope" in attributes for tag, attributes in outline.seen if tag == "th")
    tables = [tag for tag, _ in outline.seen if tag in {"table", "caption"}]
    assert tables.count("table") == tables.count("caption")
