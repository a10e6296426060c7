from __future__ import annotations

import json
from pathlib import Path

import pytest
from parsed_page import parse
from scored_panel import store_panel

from saebench.errors import ResultsError
from saebench.report.leaderboard import build_leaderboard
from saebench.report.numbers import DASH


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store_panel(tmp_path / "results")
    return tmp_path / "results"


def test_ranks_come_from_paired_tests_on_the_headline(folder: Path, tmp_path: Path) -> None:
    root = parse(build_leaderboard(folder, tmp_path / "board").read_text())
    rows = root.all("tbody")[0].all("tr")
    ranks = {row.all("th")[0].all("a")[0].text: row.all("td", "rank")[0].text for row in rows}
    assert ranks["identity"] == "1 tie group a"
    assert ranks["topk-k32-s0"] == ranks["topk-k32-s1"] == f"2{DASH}3 tie group b"
    assert ranks["mean"] == "6 tie group e"
    headings = [heading.text for heading in root.all("thead")[0].all("th")]
    assert any(heading.startswith("Loss recovered") for heading in headings)


def test_two_builds_are_equal_byte_for_byte(folder: Path, tmp_path: Path) -> None:
    first, second = (build_leaderboard(folder, tmp_path / name).read_bytes() for name in ("a", "b"))
    assert first == second


def test_a_damaged_result_is_told_by_name(folder: Path, tmp_path: Path) -> None:
    path = next(folder.glob("*/*/*.json"))
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "schema_version": 99}))
    with pytest.raises(ResultsError, match=path.name):
        build_leaderboard(folder, tmp_path / "board")
    with pytest.raises(ResultsError, match="no such results folder"):
        build_leaderboard(tmp_path / "none", tmp_path / "board")
