from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from leaderboard_records import TASK
from rich.console import Console
from scored_panel import SUBJECTS, store_panel

import saebench
from saebench.errors import ResultsError, UnknownName, UsageError
from saebench.report.choosing import find
from saebench.report.comparing import Tables, compare_folders, compare_results, render
from saebench.report.numbers import DASH
from saebench.results.folders import ResultFolders
from saebench.results.frame import Results
from saebench.results.standings import Comparison
from saebench.results.store import ResultStore

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
    cells = [cell for table in tables.tables for column in table.cells() for cell in column.values()]
    words = {word for cell in cells for word in (cell.value, cell.letters, cell.rank, cell.interval, cell.difference)}
    assert {word for word in words if word not in text} == set()


@pytest.mark.parametrize("width", [80, 140])
def test_sparsity_stands_in_every_piece(tables: Tables, width: int) -> None:
    heads = [line for line in terminal(tables, width) if line.startswith("Subject")]
    assert len(heads) > (1 if width == 80 else 0)
    assert all(line.split()[1] == "L0" for line in heads)


def test_rows_are_grouped_by_bands_of_l0_and_ordered_by_the_first_ranked_metric(tables: Tables) -> None:
    (scope,) = tables.to_json()
    assert [band["band"] for band in scope["bands"]] == [0, 32, 512]
    assert [row["subject"] for row in scope["rows"]] == [name for band in scope["bands"] for name in band["subjects"]]
    for band in scope["bands"]:
        rows = [row for row in scope["rows"] if row["band"] == band["band"]]
        assert all(band["low"] <= row["l0"] <= band["high"] for row in rows)
        values = [row["metrics"]["loss_recovered"]["value"] for row in rows]
        assert values == sorted(values, reverse=True)
    text = "\n".join(terminal(tables, 140))
    assert text.index("L0 = 0") < text.index("L0 ≈ 32") < text.index("L0 ≈ 512")


def test_ranks_are_those_within_the_band(tables: Tables) -> None:
    (scope,) = tables.to_json()
    cells = {row["subject"]: row["metrics"]["loss_recovered"] for row in scope["rows"]}
    assert cells["topk-k32-s0"]["rank"] == [2, 3]
    assert cells["topk-k32-s0"]["band_rank"] == [1, 2]
    (table,) = tables.tables
    shown = table.cells()[0]
    assert shown["topk-k32-s0"].rank == "#1\u20132"
    assert shown["pca-32"].rank == "#4"


@pytest.mark.parametrize("format", ["table", "markdown", "latex"])
def test_a_difference_across_bands_says_so(tables: Tables, format: str) -> None:
    (table,) = tables.tables
    cells = table.cells()[0]
    assert {name for name, cell in cells.items() if "†" in cell.difference} == {"identity", "mean"}
    text = " ".join(terminal(tables, 500)) if format == "table" else render(tables, format, 80)
    assert "the base is of another band" in text
    assert "unlike sparsity" in text


def test_the_curve_is_marked_and_controls_are_not_asked(tables: Tables) -> None:
    (scope,) = tables.to_json()
    on = {row["subject"]: row["metrics"]["loss_recovered"]["frontier"] for row in scope["rows"]}
    assert on == {
        "topk-k32-s0": True, "topk-k32-s1": True, "relu-s0": False, "pca-32": False, "identity": None, "mean": None,
    }  # fmt: skip
    marked = [name for name, cell in tables.tables[0].cells()[0].items() if "◆" in cell.value]
    assert sorted(marked) == ["topk-k32-s0", "topk-k32-s1"]


@pytest.mark.parametrize("format", ["table", "markdown", "latex"])
def test_what_an_audit_found_stands_below_each_column(tables: Tables, format: str) -> None:
    (table,) = tables.tables
    foot = dict(table.foot)
    verdicts = [one.reliability.verdict for one in table.columns]
    assert foot["audit"] == verdicts
    assert all(foot["data can see"])
    text = "\n".join(terminal(tables, 200)) if format == "table" else render(tables, format, 80)
    line = next(line for line in text.splitlines() if "audit" in line and "sound" in line)
    assert line.count("sound") + line.count("weak") == len(verdicts)


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
    assert "| difference |" not in render(plain, "markdown", 80)


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
    rows = [line for line in body if "&" in line]
    assert len(rows) == len(SUBJECTS) + len(tables.tables[0].foot)
    counts = {len(re.findall(r"(?<!\\)&", line)) for line in rows}
    assert counts == {1 + 2 * len(tables.tables[0].columns)}
    unescaped = re.sub(r"\\[{}]", "", text)
    assert unescaped.count("{") == unescaped.count("}")
    assert not any(re.match(r"\s*[\[*]", line) for line in body)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_with_booktabs_alone(tables: Tables, folder: Path, tmp_path: Path) -> None:
    pooled = compare_folders([], folder, by="architecture", base="topk")
    named = [renamed(tables, "relu-s0", HOSTILE + " äß €漢🦊 ≈◆†"), pooled]
    body = "\n".join(render(one, "latex", 80) for one in named)
    head = "\\documentclass{article}\\usepackage[utf8]{inputenc}\\usepackage{booktabs}\\begin{document}\n"
    (tmp_path / "tables.tex").write_text(f"{head}{body}\n\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "tables.tex"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert made.returncode == 0, made.stdout[-2000:]
    assert (tmp_path / "tables.pdf").stat().st_size > 10_000


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


def test_one_suite_alone_can_be_compared(folder: Path, tables: Tables) -> None:
    store = ResultStore(folder)
    here = list(store.all())
    other = here[0].model_copy(update={"suite": "features-v2"})
    both = Results.of([*here[1:], other], store)
    for name in ("features", "features-v2"):
        assert {one.scope.suite for one in compare_results(both, suite=name)} == {"features-v2"}
    with pytest.raises(UnknownName, match="features-v2"):
        compare_results(both, suite="feature")


def test_a_specification_need_not_name_all_parameters(folder: Path) -> None:
    records = list(ResultStore(folder).all())
    one = records[0]
    spec = "control:random?d_dict=2048&l0=32&seed=0"
    random = one.model_copy(update={"subject": one.subject.model_copy(update={"spec": spec, "name": "random"})})
    records = [*records, random]
    for wanted in ("control:random", "control:random?l0=32", "control:random?seed=0&l0=32", spec):
        assert find(wanted, records) == [random]
    for wanted in ("control:random?l0=64", "control:rand", "baseline:random"):
        with pytest.raises(UnknownName):
            find(wanted, records)


def test_a_path_that_has_moved_is_found_by_its_last_part(folder: Path) -> None:
    found = find("./moved/here/relu-s0", list(ResultStore(folder).all()))
    assert {record.subject.name for record in found} == {"relu-s0"}


def test_folders_and_names_are_compared_at_once(folder: Path, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for place, names in ((ours, ("pca-32", "relu-s0")), (theirs, ("topk-k32-s0",))):
        place.mkdir()
        for name in names:
            (place / name).symlink_to(folder / name)
    found = compare_folders([str(theirs), "relu-s0"], ours)
    assert {row.subject for row in found.comparisons[0].rows} == {"topk-k32-s0", "relu-s0"}
    with_base = compare_folders([str(theirs), "relu-s0"], ours, base="pca-32")
    assert {row.subject for row in with_base.comparisons[0].rows} == {"topk-k32-s0", "relu-s0", "pca-32"}


def test_architectures_are_rows_with_their_bands(folder: Path) -> None:
    found = compare_folders([], folder, by="architecture", base="pca")
    (table,) = found.tables
    assert set(table.subjects) == {"topk", "relu", "pca"}
    assert table.sparsity == {"topk": "32", "relu": "32", "pca": "32"}
    text = "\n".join(terminal(found, 120))
    assert "Architecture" in text
    assert "topk: 2 subjects (L0 ≈ 32: topk-k32-s0, topk-k32-s1)" in text
    assert "spread between trainings is not known" in text
    (scope,) = found.to_json()
    topk = next(pool for pool in scope["pools"] if pool["architecture"] == "topk")
    assert topk["bands"][0]["subjects"] == ["topk-k32-s0", "topk-k32-s1"]
    with pytest.raises(UsageError, match="--aggregate"):
        compare_folders([], folder, by="architecture", aggregate=True)


def test_an_aggregate_names_its_parts_and_can_be_expanded(folder: Path, tmp_path: Path) -> None:
    plain = compare_folders([], folder, aggregate=True)
    assert [table.scope.task for table in plain.tables] == ["aggregate", TASK]
    assert "no random control" in "\n".join(terminal(plain, 200)), "the panel has none"
    store = ResultFolders([folder])
    records = [
        one.model_copy(update={"subject": one.subject.model_copy(update={"role": "random"})})
        if one.subject.name == "mean"
        else one
        for one in store.all()
    ]
    found = compare_results(Results.of(records, store), expand=True, base="pca-32")
    aggregate, task = found.tables
    assert [len(aggregate.columns), task.scope.task] == [2, TASK]
    values = {name: cell.value for name, cell in aggregate.cells()[0].items()}
    assert (values["identity"], values["mean"]) == ("1.000", "0.000")
    text = "\n".join(terminal(found, 400))
    assert "0 is mean, 1 is identity" in text
    assert f"{TASK} by Loss recovered, weight 1" in text
    first = json.loads(json.dumps(found.to_json(), allow_nan=False))[0]
    assert first["task"] == "aggregate"
    (part,) = first["parts"]
    scores = {name: score["value"] for name, score in part["scores"].items()}
    cells = {row["subject"]: row["metrics"]["aggregate"]["value"] for row in first["rows"]}
    assert scores == pytest.approx(cells)


def test_the_frame_holds_the_numbers_of_the_csv(folder: Path, tables: Tables) -> None:
    frame = tables.frame
    assert len(frame) == len(SUBJECTS) * len(tables.comparisons)
    lines = {line["subject"]: line for line in csv.DictReader(io.StringIO(render(tables, "csv", 80)))}
    for row in frame[frame["metric"] == "fvu"].itertuples():
        line = lines[row.subject]
        assert float(line["fvu"]) == row.value
        assert float(line["l0"]) == row.l0
        assert float(line["band"]) == row.band
        assert line["fvu_letters"] == row.letters
        if row.subject != "pca-32":
            assert float(line["fvu_p_adjusted"]) == row.p_adjusted
            assert line["fvu_across_bands"] == str(row.across_bands)
    assert tables.frame.query("metric == 'l0' and subject == 'identity'")["value"].item() == 576


def test_from_python_the_same_comparisons(folder: Path, tables: Tables) -> None:
    found = saebench.compare(Results.read(folder), base="pca-32")
    assert tuple(found) == tables.comparisons
    assert str(found) == render(tables, "markdown", 80)
    assert tuple(saebench.compare(folder, base="pca-32", task=TASK)) == tables.comparisons
