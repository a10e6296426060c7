from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from leaderboard_records import TASK
from rich.console import Console
from scored_panel import SUBJECTS, store_panel

from saebench.errors import ResultsError, UnknownName
from saebench.report.comparing import Tables, compare_folders, compare_results, render
from saebench.report.numbers import DASH
from saebench.results.standings import Comparison
from saebench.results.frame import Results

HOSTILE = r"[a]|b\input{x} <img src=x> $\alpha$ 50% #1 & _c_ ~^{"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("results")
    store_panel(where)
    return where


@pytest.fixture(scope="module")
def tables(folder: Path) -> Tables:
    return compare_folders([], folder, task=TASK, base="pca-32")


def terminal(tables: Tables, width: int) -> list[str]:
    console = Console(width=width, force_terminal=False, file=io.StringIO())
    console.print(render(tables, "table", width))
    return console.file.getvalue().splitlines()


def renamed(tables: Tables, old: str, new: str) -> Tables:
    def change(one: Comparison) -> Comparison:
        rows = tuple(replace(row, subject=new) if row.subject == old else row for row in one.rows)
        return replace(one, rows=rows)

    return Tables(tuple(change(one) for one in tables.comparisons))


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_terminal_of_any_width_shows_every_number_whole(tables: Tables, width: int) -> None:
    lines = terminal(tables, width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "…" not in text
    numbers = {
        cell for cell in re.findall(r"\[[^\]]+, [^\]]+\]", render(tables, "markdown", width)) if "576" not in cell
    }
    sparsity = {"[32.0, 32.0]", "[45.0, 45.0]", "[0.0, 0.0]"}
    assert {cell for cell in numbers - sparsity if cell not in text} == set()


@pytest.mark.parametrize("width", [80, 140])
def test_sparsity_stands_in_every_piece(tables: Tables, width: int) -> None:
    heads = [line for line in terminal(tables, width) if line.startswith("Subject")]
    assert len(heads) == (2 if width == 80 else 1)
    assert all(line.split()[1] == "L0" for line in heads)


def test_rows_are_ordered_by_the_first_ranked_metric(tables: Tables) -> None:
    (scope,) = tables.to_json()
    values = [row["metrics"]["loss_recovered"]["value"] for row in scope["rows"]]
    assert values == sorted(values, reverse=True)
    assert scope["metrics"][0]["name"] == "l0"


def test_differences_are_to_the_base_and_absent_without_one(folder: Path, tables: Tables) -> None:
    (scope,) = tables.to_json()
    cells = {row["subject"]: row["metrics"]["fvu"] for row in scope["rows"]}
    assert cells["pca-32"]["difference"] is None
    for name, _, _, _, _, lost in SUBJECTS:
        if name != "pca-32":
            assert cells[name]["difference"]["value"] == pytest.approx(min(lost, 1.0) - 0.5)
            assert cells[name]["difference"]["p_adjusted"] < 0.05
    plain = compare_folders([], folder, task=TASK)
    assert all(row.difference is None for one in plain.comparisons for row in one.rows)
    assert "difference" not in render(plain, "markdown", 80)


def test_json_and_csv_tell_the_same_numbers_at_full_precision(tables: Tables) -> None:
    (scope,) = json.loads(json.dumps(tables.to_json(), allow_nan=False))
    lines = {line["subject"]: line for line in csv.DictReader(io.StringIO(render(tables, "csv", 80)))}
    assert set(lines) == {name for name, *_ in SUBJECTS}
    for row in scope["rows"]:
        cell, line = row["metrics"]["loss_recovered"], lines[row["subject"]]
        assert float(line["loss_recovered"]) == cell["value"]
        assert float(line["loss_recovered_high"]) == cell["high"]
        assert [int(line[f"loss_recovered_rank_{end}"]) for end in ("best", "worst")] == cell["rank"]
        assert line["loss_recovered_letters"] == " ".join(cell["letters"])
        if row["subject"] != "pca-32":
            assert float(line["loss_recovered_p_adjusted"]) == cell["difference"]["p_adjusted"]


def test_markdown_keeps_its_columns_whatever_a_name_holds(tables: Tables) -> None:
    text = render(renamed(tables, "relu-s0", HOSTILE), "markdown", 80)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert "<img" not in text


def test_latex_holds_no_command_of_a_name(tables: Tables) -> None:
    text = render(renamed(tables, "relu-s0", HOSTILE), "latex", 80)
    assert r"\input" not in text
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")].splitlines()[1:]
    assert len(body) == len(SUBJECTS)
    counts = {len(re.findall(r"(?<!\\)&", line)) for line in body}
    assert counts == {2 * len(tables.comparisons)}
    unescaped = re.sub(r"\\[{}]", "", text)
    assert unescaped.count("{") == unescaped.count("}")
    assert not any(re.match(r"\s*[\[*]", line) for line in body)


def test_undefined_values_are_a_dash_with_their_reason(tables: Tables) -> None:
    one = next(found for found in tables.comparisons if found.metric == "loss_recovered")
    estimate = replace(one.rows[0].estimate, value=None, low=None, high=None, undefined="no such thing")
    broken = replace(one, rows=(replace(one.rows[0], estimate=estimate, letters=(), rank=None), *one.rows[1:]))
    changed = Tables((broken,))
    text = "\n".join(terminal(changed, 100))
    assert "no such thing: Loss recovered of" in text
    assert DASH in text
    assert json.loads(json.dumps(changed.to_json(), allow_nan=False))


def test_subjects_are_found_by_name_or_spec_and_the_base_joins_them(folder: Path) -> None:
    found = compare_folders(["topk-k32-s0", "dictionaries/relu-s0"], folder, base="pca-32")
    assert {row.subject for row in found.comparisons[0].rows} == {"topk-k32-s0", "relu-s0", "pca-32"}
    with pytest.raises(UnknownName, match="topk-k32-s0"):
        compare_folders(["topk-k32-s9"], folder)
    with pytest.raises(UnknownName, match="did you mean pca-32"):
        compare_folders([], folder, base="pca-3")


def test_metrics_are_chosen_with_sparsity_beside_them(folder: Path) -> None:
    found = compare_folders([], folder, metrics=["cosine"])
    assert [one.metric for one in found.comparisons] == ["l0", "cosine"]
    with pytest.raises(UnknownName, match="cosine"):
        compare_folders([], folder, metrics=["cosin"])


def test_results_of_several_folders_are_compared_together(folder: Path, tmp_path: Path) -> None:
    for index, source in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
        target = tmp_path / str(index % 2)
        target.mkdir(exist_ok=True)
        (target / source.name).symlink_to(source)
    together = compare_folders([str(tmp_path / "0"), str(tmp_path / "1")], tmp_path / "none", base="pca-32")
    assert together.to_json() == compare_folders([], folder, base="pca-32").to_json()


def test_a_folder_without_results_is_told(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ResultsError, match="no such results folder"):
        compare_folders([], tmp_path / "none")
    with pytest.raises(ResultsError, match="saebench run"):
        compare_folders([], tmp_path)
    with pytest.raises(UnknownName):
        compare_folders([], folder, task="reconstruction@9")


def test_from_python_the_same_comparisons(folder: Path, tables: Tables) -> None:
    assert tuple(compare_results(Results.read(folder), base="pca-32")) == tables.comparisons
