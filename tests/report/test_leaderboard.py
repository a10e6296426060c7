from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path

import pytest
from built_boards import files_of
from leaderboard_records import panel
from parsed_page import parse
from scored_panel import store_panel

from saebench.errors import ResultsError, StorageError
from saebench.report.leaderboard import build_leaderboard, write_site
from saebench.results.store import ResultStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store_panel(tmp_path / "results")
    return tmp_path / "results"


def test_every_page_is_written_and_every_link_between_them_leads_somewhere(folder, tmp_path):
    index = build_leaderboard([folder], tmp_path / "board")
    files = files_of(tmp_path / "board")
    assert index == tmp_path / "board" / "index.html"
    assert {name.partition("/")[0] for name in files} == {
        "index.html", "subjects", "cards", "leaderboard.csv", "leaderboard.json"
    }  # fmt: skip
    for name, text in files.items():
        if name.endswith(".html"):
            links = [e.attributes["href"].partition("#")[0] for e in parse(text.decode()).all("a")]
            targets = {((tmp_path / "board" / name).parent / link).resolve() for link in links if link}
            assert targets
            assert all(target.is_file() for target in targets)


def test_the_order_and_the_number_of_folders_change_no_byte(folder, tmp_path):
    records = list(ResultStore(folder).all())
    random.Random(7).shuffle(records)
    for at, record in enumerate(records):
        half = ResultStore(tmp_path / f"half{at % 2}")
        half.write(record, ResultStore(folder).items(record))
    build_leaderboard([folder], tmp_path / "a")
    build_leaderboard([tmp_path / "half1", tmp_path / "half0"], tmp_path / "b")
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_a_second_night_gives_trends(folder, tmp_path):
    for record in ResultStore(folder).all():
        later = record.provenance.model_copy(update={"finished": "2026-11-21T10:04:00Z"})
        ResultStore(tmp_path / "next").write(
            record.model_copy(update={"provenance": later}), ResultStore(folder).items(record)
        )
    build_leaderboard([tmp_path / "next", folder], tmp_path / "board")
    pages = [
        parse(text.decode()) for name, text in files_of(tmp_path / "board").items() if name.startswith("subjects/")
    ]
    assert len(pages) == 6
    assert all(len(page.all("svg", "trend")) == 1 for page in pages)


def test_the_files_hold_every_number_at_full_precision(folder, tmp_path):
    build_leaderboard([folder], tmp_path / "board")
    lines = json.loads((tmp_path / "board" / "leaderboard.json").read_text())
    held = {(line["fingerprint"], line["metric"]): line for line in lines}
    for record in ResultStore(folder).all():
        line = held[record.subject.fingerprint, "loss_recovered"]
        metric = record.metrics["loss_recovered"]
        assert (line["value"], line["low"], line["high"], line["n"]) == (
            metric.value,
            metric.low,
            metric.high,
            metric.n,
        )
    table = list(csv.DictReader(io.StringIO((tmp_path / "board" / "leaderboard.csv").read_text())))
    assert [float(row["value"]) for row in table if row["value"]] == [
        line["value"] for line in lines if line["value"] is not None
    ]


def test_a_name_that_a_spreadsheet_would_run_is_made_harmless(tmp_path):
    one, *rest = panel()
    formula = one.subject.model_copy(update={"name": "=HYPERLINK(1)"})
    from built_boards import boards

    records = [one.model_copy(update={"subject": formula}), *rest]
    write_site(boards(records), records, tmp_path, "Board", cards={}, audits={})
    table = list(csv.DictReader(io.StringIO((tmp_path / "leaderboard.csv").read_text())))
    assert {row["subject"] for row in table} == {"'=HYPERLINK(1)", *(record.subject.name for record in rest)}


def test_pages_of_subjects_that_are_no_more_are_removed_and_other_files_kept(folder, tmp_path):
    build_leaderboard([folder], tmp_path / "board")
    (tmp_path / "board" / "subjects" / "mine.html").write_text("<p>not of the site</p>")
    gone = next(folder.glob("relu-s0"))
    for path in gone.rglob("*"):
        if path.is_file():
            path.unlink()
    build_leaderboard([folder], tmp_path / "board")
    names = {name for name in files_of(tmp_path / "board") if name.startswith("subjects/")}
    assert len(names) == 6
    assert "subjects/mine.html" in names
    assert not any(name.startswith("subjects/relu") for name in names)


def test_a_damaged_result_is_told_by_name(folder, tmp_path):
    path = next(folder.glob("*/*/*.json"))
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "schema_version": 99}))
    with pytest.raises(ResultsError, match=path.name):
        build_leaderboard([folder], tmp_path / "board")
    with pytest.raises(ResultsError, match="no such results folder"):
        build_leaderboard([tmp_path / "none"], tmp_path / "board")


def test_an_unwritable_folder_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        write_site([], [], tmp_path / "file" / "board", "Board", cards={}, audits={})
