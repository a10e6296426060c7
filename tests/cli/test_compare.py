"""`saebench compare` as a user types it: folders, panels and submissions at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scored_panel import SUBJECTS, store_panel
from toy_bundle import NAME, in_folder, sound_files

from saebench.cli.main import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("compared") / "results"
    store_panel(where)
    return where


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return in_folder(sound_files(), tmp_path_factory.mktemp("submissions"))


def call(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["compare", *(str(word) for word in words)])
    return int(stop.value.code or 0)


def subjects(text: str) -> list[set[str]]:
    return [{row["subject"] for row in scope["rows"]} for scope in json.loads(text)]


def test_a_panel_names_subjects_of_the_results_folder(folder, tmp_path, capsys):
    panel = tmp_path / "mine.yaml"
    panel.write_text("name: mine\nsubjects: ['dictionaries/relu-s0', 'baseline:pca-32']\n")
    for words in ((panel,), ("--panel", panel)):
        assert call(*words, "--out", folder, "--json") == 0
        assert subjects(capsys.readouterr().out) == [{"relu-s0", "pca-32"}]


def test_a_submission_is_verified_and_compared_as_self_reported(folder, bundle, capsys):
    before = sorted(bundle.rglob("*"))
    assert call(folder, bundle, "--json") == 0
    assert {NAME, *(name for name, *_ in SUBJECTS)} <= set.union(*subjects(capsys.readouterr().out))
    assert call(folder, bundle) == 0
    assert f"Self-reported by a submission, not reproduced here: identity, {NAME}" in capsys.readouterr().out
    assert sorted(bundle.rglob("*")) == before, "nothing is written into it"


def test_a_submission_that_does_not_follow_from_its_items_is_refused(folder, tmp_path, capsys):
    bad = in_folder(sound_files(), tmp_path)
    file = next((bad / "results").iterdir())
    file.write_text(file.read_text().replace('"high"', '"highest"', 1))
    assert call(folder, bad) == 1
    assert "is refused" in capsys.readouterr().err


def test_what_cannot_be_is_told_in_one_line(folder, tmp_path, capsys):
    for words, code, said in (
        ((folder, "--base", "pca-3"), 2, "did you mean pca-32"),
        ((folder, "--metric", "fvv"), 2, "did you mean fvu"),
        ((folder, "--by", "architecture", "--base", "topkk"), 2, "did you mean topk"),
        ((folder, "--by", "architecture", "--expand"), 2, "leave out --by architecture"),
        ((tmp_path / "nothing.yaml",), 1, "no such panel file"),
        ((tmp_path / "no" / "results", "--out", folder), 1, "neither a folder of results nor a subject"),
        ((tmp_path, "--out", folder), 1, "neither a folder of results nor a subject"),
        ((), 1, "no such results folder"),
    ):
        assert call(*words, *(("--out", tmp_path / "none") if not words else ())) == code
        assert said in capsys.readouterr().err


def test_help_states_the_rule_of_the_bands(capsys):
    assert call("--help") == 0
    assert "22.6 to 45.3" in " ".join(capsys.readouterr().out.split())
