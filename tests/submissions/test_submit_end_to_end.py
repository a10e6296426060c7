"""From a dictionary on disk to a bundle that is verified, accepted and reproduced, as people type it."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from saebench.cli.main import main
from saebench.results.store import ResultStore

pytestmark = pytest.mark.slow

ANSWERS = {
    "--authors": "A. Person",
    "--contact": "@person",
    "--paper": "none",
    "--licence": "MIT",
    "--training-data": "drawn at random",
    "--weights": "not published",
}


def call(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return int(stop.value.code or 0)


@pytest.fixture
def submit(world):
    def run(*more: object) -> int:
        return call("submit", world.dictionary, "--suite", world.suite, "--name", "my-topk", *more)

    return run


ALL = [word for pair in ANSWERS.items() for word in pair]


def test_a_card_that_is_filled_in_later_costs_nothing_again(submit, capsys):
    assert submit("--licence", "MIT") == 0
    told = capsys.readouterr()
    assert "5 subjects to score, controls counted" in told.err
    assert "ok  weights are finite" in told.err
    assert "fill in authors, contact, paper, training_data, weights" in told.out
    assert call("submit", "verify", "submissions/my-topk") == 1
    assert "authors: 'TODO: who made it" in capsys.readouterr().err

    card = Path("submissions/my-topk/submission.yaml")
    filled = {**yaml.safe_load(card.read_text()), **{key[2:].replace("-", "_"): text for key, text in ANSWERS.items()}}
    card.write_text(yaml.safe_dump(filled))
    assert submit() == 0
    told = capsys.readouterr()
    assert "nothing to compute" in told.err
    assert "verified" in told.out
    assert call("submit", "verify", "submissions/my-topk") == 0
    assert "5 results follow from their items; self-reported" in capsys.readouterr().out


def test_from_submission_to_reproduction(submit, world, capsys):
    assert submit(*ALL, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["accepted"]
    assert told["results"] == 5
    assert told["to_fill_in"] == []
    written = "".join(path.read_text() for path in Path("submissions").rglob("*.json"))
    assert str(world.dictionary) not in written

    assert call("submit", "accept", "submissions/my-topk", "--out", "board", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["written"], one["reproduced"]) for one in told] == [(1, 0)]
    run = ("run", world.suite, "--subject", world.dictionary, "--out", "board", "--json")
    assert call(*run) == 0
    assert json.loads(capsys.readouterr().out)["computed"] == 5
    assert call("submit", "accept", "submissions/my-topk", "--out", "board") == 0
    capsys.readouterr()
    held = [record for record in ResultStore("board").all() if record.submission is not None]
    assert [(record.submission.name, record.submission.status) for record in held if record.submission] == [
        ("my-topk", "reproduced")
    ]
    assert call(*run) == 0
    assert json.loads(capsys.readouterr().out)["computed"] == 0
    assert call("compare", "board") == 0
    assert call("leaderboard", "build", "board") == 0


def test_what_is_changed_in_a_real_bundle_is_refused(submit, capsys):
    assert submit(*ALL) == 0
    whole = Path("submissions/my-topk")
    for number, path in enumerate(sorted(file.relative_to(whole) for file in whole.rglob("*") if file.is_file())):
        copy = Path(str(number)) / "my-topk"
        shutil.copytree(whole, copy)
        text = (copy / path).read_text()
        digit = next(index for index, letter in enumerate(text) if letter in "123456789" and index > len(text) // 3)
        (copy / path).write_text(text[:digit] + str((int(text[digit]) + 1) % 10) + text[digit + 1 :])
        assert call("submit", "verify", copy) == 1
        assert "1 of 1 refused" in capsys.readouterr().err


def test_a_dry_run_says_what_it_would_cost_and_scores_nothing(submit, capsys):
    assert submit("--dry-run", "--json") == 0
    (cost,) = json.loads(capsys.readouterr().out)["costs"]
    assert cost["units"] == 5
    assert cost["pass_seconds"] > 0
    assert cost["note"]
    assert not Path("submissions").exists()
    assert not list(Path().rglob("results/*"))


def test_a_dictionary_that_is_not_sound_is_not_scored(world, capsys, tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "bad"
    shutil.copytree(world.dictionary, folder)
    tensors = load_file(folder / "weights.safetensors")
    name = max(tensors, key=lambda key: tensors[key].numel())
    tensors[name] = torch.full_like(tensors[name], torch.nan)
    save_file(tensors, folder / "weights.safetensors")
    assert call("submit", folder, "--suite", world.suite, *ALL) == 1
    assert not Path("submissions").exists()
    capsys.readouterr()


def test_the_command_line_explains_itself(capsys, monkeypatch, tmp_path):
    assert call("submit", "--help") == 0
    page = capsys.readouterr().out
    assert "Example: saebench submit" in page
    for verb in ("bundle", "verify", "accept", "changed"):
        assert verb in page
        assert call("submit", verb, "--help") == 0
        assert "Example: " in capsys.readouterr().out
    assert call("submit", "verify", tmp_path / "nothing") == 1
    assert "cannot be read" in capsys.readouterr().err
    assert call("submit", "./x", "--name", "No Name") == 1
    assert "lower-case letters" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b":100644 100644 a b M\0setup.py\0")))
    assert call("submit", "changed") == 1
    assert "setup.py: is changed" in capsys.readouterr().err
