"""`saebench nightly` on a tiny world, as it is typed: quiet nights, a worse dictionary, other data, no reference."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from saebench.cli.main import main
from saebench.nightly import golden, night, updating

SUBJECTS = "name: mine\nsubjects: [./topk, 'control:random?l0=3']\n"
FEW = golden.Golden(definitions={}, values={"reconstruction@1": {"pca": {"fvu": 0.25}}})
"""Golden values have tests of their own; here they take no time."""


def call(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return int(stop.value.code or 0)


@pytest.fixture(scope="session")
def first_reference(built_world, tmp_path_factory):
    """The reference of an undisturbed world, made once."""
    folder = tmp_path_factory.mktemp("reference")
    lay_out(built_world, folder)
    words = ("--panel", folder / "panel.yaml", "--suite", folder / "suite.yaml", "--reference", folder / "reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(updating, "golden_values", lambda: (FEW, ()))
        assert call("nightly", *words, "--update-reference", "--reason", "first", "--out", folder / "nightly") == 0
    return folder / "reference"


def lay_out(world, folder: Path) -> None:
    shutil.copytree(world.dictionary, folder / "topk")
    (folder / "panel.yaml").write_text(SUBJECTS)
    shutil.copy(world.suite, folder / "suite.yaml")


@pytest.fixture
def panel(world, monkeypatch, tmp_path):
    """The command in a folder with a panel and a suite of the test's own, without a reference."""
    monkeypatch.setattr(night, "golden_values", lambda: (FEW, ()))
    monkeypatch.setattr(updating, "golden_values", lambda: (FEW, ()))
    lay_out(world, tmp_path)
    return ("nightly", "--panel", "panel.yaml", "--suite", "suite.yaml", "--reference", "reference")


@pytest.fixture
def watched(panel, first_reference):
    """The same, with a reference."""
    shutil.copytree(first_reference, "reference")
    return panel


def report(words, capsys, code=0):
    """What a night says with --json."""
    assert call(*words, "--json") == code
    return json.loads(capsys.readouterr().out)


def worsen(folder: str) -> None:
    """Its decoder points the other way."""
    file = Path(folder) / "weights.safetensors"
    weights = load_file(file)
    weights["W_dec"] = -weights["W_dec"]
    save_file(weights, file)


def test_two_quiet_nights_are_equivalent_everywhere(watched, capsys):
    for number in (1, 2):
        found = report(watched, capsys)
        assert found["headline"] == "nothing fell"
        assert {cell["verdict"] for cell in found["cells"]} == {"equivalent"}
        assert {cell["subject"] for cell in found["cells"]} == {
            "topk", "random-64-l0-3-s0", "identity", "mean", "random-64-l0-4-s0", "pca-l0-4",
        }  # fmt: skip
        assert found["issues"] == []
        assert len(Path("nightly/history.jsonl").read_text().splitlines()) == number
    folders = sorted(path for path in Path("nightly").iterdir() if path.is_dir())
    assert len(folders) == 2, "each night scores into a folder of its own"
    for folder in folders:
        assert {path.name for path in folder.iterdir()} == {"results", "report.md", "report.json"}
    page = Path("nightly/index.html").read_text()
    assert page.count("<svg") >= len(found["cells"])
    assert "2 nights" in page
    assert "<script" not in page
    assert call("leaderboard", "build", folders[-1] / "results", "nightly", "--out", "board") == 0
    drawn = {
        path.name.rpartition("-")[0]: path.read_text().count('class="trend"')
        for path in Path("board/subjects").glob("*.html")
    }
    cells = Counter(cell["subject"] for cell in found["cells"])
    assert drawn == cells, "every subject of the panel has a picture for each of its cells"


def test_a_dictionary_that_got_worse_under_its_name_is_a_confirmed_fall(watched, capsys):
    worsen("topk")
    found = report(watched, capsys, code=3)
    fallen = [cell for cell in found["cells"] if cell["verdict"] == "regressed"]
    assert {cell["subject"] for cell in fallen} == {"topk"}
    assert "fvu" in {cell["metric"] for cell in fallen}
    for cell in fallen:
        sign = 1 if cell["direction"] == "down" else -1
        assert sign * cell["difference"]["value"] > cell["margin"]["value"]
        assert sign * cell["confirmation"]["value"] > cell["margin"]["value"]
    assert [issue["title"] for issue in found["issues"]] == [
        f"Nightly: {cell['metric']} of topk in reconstruction@1 fell" for cell in fallen
    ]
    text = (Path(found["out"]) / "report.md").read_text()
    assert text.startswith(f"# Nightly {found['night']}: {len(fallen)} cells fell")
    assert "Other weights or settings than in the reference: topk." in text
    assert "--update-reference --reason" in text


def test_an_accepted_fall_is_the_new_reference(watched, capsys):
    worsen("topk")
    assert call(*watched, "--update-reference", "--reason", "the other way, on purpose") == 0
    facts = json.loads(Path("reference/reference.json").read_text())
    assert facts["reason"] == "the other way, on purpose"
    assert facts["by"]
    assert facts["eval_seeds"] == [0]
    assert facts["confirming_seeds"] == [1, 2]
    capsys.readouterr()
    assert report(watched, capsys)["counts"]["equivalent"] > 0
    assert not list(Path().glob(".reference-*"))


def test_other_data_are_not_compared_and_the_reason_is_named(watched, capsys):
    suite = Path("suite.yaml")
    suite.write_text(suite.read_text().replace("documents: 14", "documents: 12"))
    found = report(watched, capsys, code=1)
    cells = [cell for cell in found["cells"] if cell["subject"] == "topk"]
    assert {cell["verdict"] for cell in cells} == {"not comparable"}
    assert {cell["reason"] for cell in cells} == {"data changed: eval"}
    assert found["headline"] == "nothing could be compared"


def test_a_new_subject_is_not_comparable_and_alarms_nobody(watched, capsys):
    Path("panel.yaml").write_text(SUBJECTS.replace("]", ", 'control:random?l0=5']"))
    found = report(watched, capsys)
    new = [cell for cell in found["cells"] if cell["verdict"] == "not comparable"]
    assert {cell["subject"] for cell in new} == {"random-64-l0-5-s0"}
    assert {cell["reason"] for cell in new} == {"the reference does not have this subject and task"}


def test_without_a_reference_nothing_is_scored_and_the_remedy_is_named(panel, capsys):
    assert call(*panel) == 1
    message = capsys.readouterr().err
    assert "reference: there is no reference to compare with" in message
    assert "--update-reference --reason" in message
    assert not Path("nightly").exists()


@pytest.mark.parametrize(
    "words", [("--update-reference",), ("--update-reference", "--reason", "  "), ("--reason", "x")]
)
def test_a_reference_is_replaced_only_with_a_reason(panel, words, capsys):
    assert call(*panel, *words) == 2
    assert "--reason" in capsys.readouterr().err
    assert not Path("reference").exists()


def test_a_damaged_reference_is_one_clear_error(watched, capsys):
    file = Path("reference/reference.json")
    file.write_text(file.read_text().replace('"reason"', '"raeson"'))
    assert call(*watched) == 1
    message = capsys.readouterr().err
    assert "reference.json: reason" in message
    assert "Traceback" not in message


def test_failed_units_outrank_a_fall_and_keep_the_reference(watched, capsys, monkeypatch):
    from saebench.baselines.controls import RandomDictionary

    def explode(self, x, context=None):
        raise ValueError("broken on purpose")

    worsen("topk")
    monkeypatch.setattr(RandomDictionary, "encode", explode)
    found = report(watched, capsys, code=4)
    assert found["counts"]["regressed"] > 0
    lost = [cell for cell in found["cells"] if cell["subject"] == "random-64-l0-3-s0"]
    assert {cell["reason"] for cell in lost} == {"it failed tonight: ValueError: broken on purpose"}
    before = Path("reference/reference.json").read_text()
    assert call(*watched, "--update-reference", "--reason", "never mind") == 4
    assert "the reference stays as it was" in capsys.readouterr().err
    assert Path("reference/reference.json").read_text() == before


def test_a_golden_value_that_changed_is_named(watched, capsys, monkeypatch):
    now = golden.Golden(definitions={}, values={"reconstruction@1": {"pca": {"fvu": 0.26}}})
    monkeypatch.setattr(night, "golden_values", lambda: (now, ()))
    found = report(watched, capsys, code=1)
    assert found["golden"]["changes"] == [
        {"task": "reconstruction@1", "subject": "pca", "metric": "fvu", "then": 0.25, "now": 0.26, "fell": True}
    ]
    assert [issue["title"] for issue in found["issues"]] == ["Nightly: golden values of reconstruction@1 changed"]
    assert "golden value" in (Path(found["out"]) / "report.md").read_text()
