"""The command line as a user types it: exit codes, what stands on stdout, and what bad input gets."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from saebench.cli.main import main, with_bare_mlflow


def call(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return int(stop.value.code or 0)


def changed(world, folder: Path, **tensors) -> Path:
    shutil.copytree(world.dictionary, folder)
    file = folder / "weights.safetensors"
    weights = load_file(file)
    for name, change in tensors.items():
        weights[name] = change(weights[name]).contiguous()
    save_file(weights, file)
    return folder


def test_importing_and_helping_load_nothing_heavy():
    code = (
        "import sys, saebench\n"
        "from saebench.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'mlflow', 'sae_lens', 'pandas', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    "verb", ["quickstart", "ls", "show", "fetch", "train", "check", "plan", "run", "compare", "doctor"]
)
def test_every_verb_has_help_with_an_example(verb, capsys):
    assert call(verb, "--help") == 0
    assert f"Example: saebench {verb}" in capsys.readouterr().out


@pytest.mark.parametrize("verb", [("leaderboard", "build"), ("leaderboard", "serve"), ("mlflow", "sync")])
def test_every_sub_verb_has_help_with_an_example(verb, capsys):
    assert call(*verb, "--help") == 0
    assert "Example: saebench" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["suites", "tasks", "architectures", "baselines", "lms", "data", "sites"])
def test_ls_json_is_a_list_of_named_objects(kind, capsys):
    assert call("ls", kind, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows
    assert all(row["name"] for row in rows)


def test_every_listed_thing_can_be_shown(capsys):
    for kind in ("suites", "tasks", "architectures", "baselines", "lms", "data"):
        call("ls", kind, "--json")
        for row in json.loads(capsys.readouterr().out):
            assert call("show", row["name"], "--json") == 0, row["name"]
            assert json.loads(capsys.readouterr().out)["name"]


def test_a_near_miss_is_suggested_and_the_exit_code_is_2(capsys):
    assert call("show", "reconstructoin@1") == 2
    assert "reconstruction@1" in capsys.readouterr().err
    assert call("run", "quik") == 2
    assert "quick" in capsys.readouterr().err
    assert call("train", "topq") == 2
    assert "topk" in capsys.readouterr().err
    assert call("run", "quick", "--flag-that-is-not") == 2


def test_bare_mlflow_takes_no_neighbour():
    assert with_bare_mlflow(["run", "--mlflow", "quick"]) == ["run", "--mlflow", "under --out", "quick"]
    assert with_bare_mlflow(["run", "quick", "--mlflow"]) == ["run", "quick", "--mlflow", "under --out"]
    assert with_bare_mlflow(["run", "--mlflow", "http://host:5000"]) == ["run", "--mlflow", "http://host:5000"]


def test_run_twice_computes_once_and_says_so(world, capsys):
    words = ("run", world.suite, "--subject", world.dictionary, "--out", "results", "--json")
    assert call(*words) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["computed"], first["skipped"], first["failed"]) == (5, 0, 0)
    assert call(*words) == 0
    second = json.loads(capsys.readouterr().out)
    assert (second["computed"], second["skipped"], second["failed"]) == (0, 5, 0)
    assert second["results"] == first["results"]
    by_name = {row["subject"]: row["metrics"] for row in first["results"]}
    assert by_name["identity"]["loss_recovered"]["value"] == 1.0
    assert by_name["mean"]["explained_variance"]["value"] == pytest.approx(0.0, abs=1e-6)
    assert by_name["topk"]["l0"]["value"] <= 4.0
    for metrics in by_name.values():
        for value in metrics.values():
            assert value["value"] is not None or value["undefined"]


def test_a_panel_is_a_list_of_subjects(world, capsys):
    Path("panel.yaml").write_text("name: mine\nsubjects: [topk, 'control:random?l0=3']\n")
    shutil.copytree(world.dictionary, "topk")
    assert call("plan", world.suite, "--panel", "panel.yaml", "--json") == 0
    names = {unit["subject"] for unit in json.loads(capsys.readouterr().out)["units"]}
    assert names == {"topk", "random-64-l0-3-s0", "identity", "mean", "random-64-l0-4-s0", "pca-l0-4"}
    assert call("plan", world.suite, "--panel", "baselnes") == 2
    assert "baselines" in capsys.readouterr().err
    Path("panel.yaml").write_text("name: mine\nsubjects: []\n")
    assert call("plan", world.suite, "--panel", "panel.yaml") == 1
    assert "subjects" in capsys.readouterr().err


def test_plan_names_the_units_and_computes_none(world, capsys):
    assert call("plan", world.suite, "--subject", world.dictionary, "--json") == 0
    units = json.loads(capsys.readouterr().out)["units"]
    assert len(units) == 5
    assert not any(unit["done"] for unit in units)
    assert not Path("results").exists()


def test_from_results_to_table_page_and_mlflow(world, capsys):
    assert call("run", world.suite, "--subject", world.dictionary, "--mlflow") == 0
    shown = capsys.readouterr()
    assert "identity" in shown.out
    assert Path("results/mlflow.db").exists()
    for form in ("table", "markdown", "latex", "csv", "json"):
        assert call("compare", "--base", "topk", "--format", form) == 0
        assert "topk" in capsys.readouterr().out
    assert call("leaderboard", "build", "results", "--json") == 0
    page = Path(json.loads(capsys.readouterr().out)["page"])
    assert "topk" in page.read_text()
    assert call("mlflow", "sync", "results", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["created"], report["skipped"]) == (0, 5)
    identifier = next(Path("results/topk").rglob("*.json")).stem
    assert call("show", identifier, "--json") == 0
    assert json.loads(capsys.readouterr().out)["id"] == identifier


def test_train_check_and_score_what_was_trained(world, capsys):
    words = ("train", "topk", "--lm", world.model, "--site", world.site, "--data", world.corpus, "--width", "32")
    assert call(*words, "--k", "2,4", "--tokens", "4096", "--batch-size", "128", "--out", "made", "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in made] == ["topk-32-k2-s0", "topk-32-k4-s0"]
    assert call("check", made[0]["path"], "--lm", world.model, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"]
    assert report["facts"]["site"] == world.site
    assert call("run", world.suite, "--subject", made[0]["path"], "--subject", made[1]["path"], "--json") == 0
    rows = {row["subject"]: row["metrics"] for row in json.loads(capsys.readouterr().out)["results"]}
    assert rows["topk-32-k4-s0"]["fvu"]["value"] < rows["topk-32-k2-s0"]["fvu"]["value"] < 1


def test_a_site_that_contradicts_the_dictionary_is_refused(world, capsys):
    assert call("run", world.suite, "--subject", world.dictionary, "--site", world.other) == 1
    message = capsys.readouterr().err
    assert world.site in message.replace("\n", " ")


def test_a_wrong_width_is_refused(world, capsys):
    folder = Path("wide")
    shutil.copytree(world.dictionary, folder)
    site = "blocks.1.mlp.hook_post"
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config).replace(world.site, site))
    assert call("run", world.suite, "--subject", folder) == 1
    assert "d_in 16" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize("site", ["blocks.9.hook_resid_post", "blocks.1.hook_resid_pst"])
def test_an_unknown_site_is_a_wrong_command_line(world, site, capsys):
    assert call("run", world.suite, "--site", site) == 2
    assert site in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tensor", "change", "word"),
    [
        ("W_enc", lambda w: w.index_fill(0, torch.tensor([0]), torch.nan), "NaN"),
        ("b_dec", lambda w: torch.full_like(w, torch.inf), "b_dec"),
        ("W_dec", lambda w: w.index_fill(0, torch.tensor([3]), 0.0), "W_dec"),
        ("W_dec", lambda w: w[:, :5], "W_dec"),
    ],
)
def test_unsound_weights_are_refused_by_name(world, tensor, change, word, capsys):
    folder = changed(world, Path("bad"), **{tensor: change})
    for verb in (("check", folder), ("run", world.suite, "--subject", folder)):
        assert call(*verb) == 1
        assert word in capsys.readouterr().err


def test_a_missing_or_truncated_checkpoint_is_one_clear_error(world, capsys):
    assert call("check", "./nowhere") == 1
    assert "nowhere" in capsys.readouterr().err
    folder = Path("half")
    shutil.copytree(world.dictionary, folder)
    file = folder / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    assert call("check", folder) == 1
    message = capsys.readouterr().err
    assert "weights.safetensors" in message
    assert "Traceback" not in message


def test_a_corpus_without_text_is_one_clear_error(world, capsys):
    Path("empty.jsonl").write_text('{"text": "  "}\n')
    suite = Path("suite.yaml")
    suite.write_text(world.suite.read_text().replace(str(world.corpus), "empty.jsonl"))
    assert call("run", suite) == 1
    assert "empty.jsonl" in capsys.readouterr().err


def test_a_suite_with_a_wrong_field_names_file_and_field(world, capsys):
    suite = Path("suite.yaml")
    suite.write_text(world.suite.read_text().replace("eval_seeds: [0]", "eval_seeds: [zero]"))
    assert call("run", suite) == 1
    message = capsys.readouterr().err
    assert "suite.yaml" in message
    assert "eval_seeds" in message


def test_a_misspelt_field_of_a_suite_is_named(world, capsys):
    suite = Path("suite.yaml")
    suite.write_text(world.suite.read_text().replace("lm:", "lmm:"))
    assert call("run", suite) == 1
    message = capsys.readouterr().err
    assert "suite.yaml: lmm: there is no such field (did you mean lm?)" in message
    suite.write_text("")
    assert call("run", suite) == 1
    assert "suite.yaml: it must hold fields" in capsys.readouterr().err


def test_results_of_a_newer_schema_are_refused(world, capsys):
    assert call("run", world.suite) == 0
    file = next(Path("results/identity").rglob("*.json"))
    file.write_text(json.dumps(json.loads(file.read_text()) | {"schema_version": 99}))
    capsys.readouterr()
    assert call("compare") == 1
    message = capsys.readouterr().err
    assert "99" in message
    assert file.name in message.replace("\n", "")


def test_one_bad_subject_costs_only_itself(world, capsys, monkeypatch):
    """A dictionary that breaks while it encodes: the others are stored, exit code 4."""
    from saebench.baselines.controls import RandomDictionary

    def explode(self, x, context=None):
        raise ValueError("broken on purpose")

    monkeypatch.setattr(RandomDictionary, "encode", explode)
    assert call("run", world.suite, "--subject", world.dictionary, "--json") == 4
    shown = capsys.readouterr()
    assert json.loads(shown.out)["computed"] == 4
    assert "broken on purpose" in shown.err
    monkeypatch.undo()


def test_a_full_disk_is_said_and_what_finished_is_kept(world, capsys, monkeypatch):
    import errno

    from saebench.results import atomic

    assert call("run", world.suite) == 0
    capsys.readouterr()
    before = sorted(Path("results").rglob("*.json"))

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    assert call("run", world.suite, "--subject", world.dictionary) == 1
    assert "the disk is full" in capsys.readouterr().err
    assert sorted(Path("results").rglob("*.json")) == before


def test_an_interrupted_run_ends_with_130_and_goes_on(world, capsys, monkeypatch):
    from saebench.bench import FileJournal

    save = FileJournal.save

    def interrupt(self, done, arrays):
        save(self, done, arrays)
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(FileJournal, "save", interrupt)
    assert call("run", world.suite) == 130
    assert "interrupted" in capsys.readouterr().err
    saved = []
    monkeypatch.setattr(FileJournal, "save", lambda self, done, arrays: saved.append(done))
    assert call("run", world.suite) == 0
    assert saved[0] == 3


def test_doctor_lists_packages_and_caches(world, capsys):
    assert call("doctor", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in report["packages"]} >= {"saebench", "torch", "transformers", "mlflow"}
    assert call("doctor", "--empty", "activation") == 2


def test_a_request_to_terminate_ends_like_an_interrupt(monkeypatch, capsys):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("saebench.cli.ls.listing", lambda kind, out: os.kill(os.getpid(), signal.SIGTERM))
    try:
        assert call("ls", "suites") == 130
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "what finished is kept" in capsys.readouterr().err
