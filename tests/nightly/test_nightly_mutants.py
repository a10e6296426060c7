"""Is a broken metric named? Six are broken on purpose, each in a copy of the package; a night there says which."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
COMMAND = "from saebench.cli.main import main; main()"
RECONSTRUCTION, PROBING = "reconstruction@1", "sparse_probing@1"
TRUTH, CONSISTENCY = "ground_truth@1", "seed_consistency@1"

MUTANTS = [
    pytest.param(
        "saebench/tasks/reconstruction/task.py",
        "(x - mean).square().sum(1)",
        "x.square().sum(1)",
        {(RECONSTRUCTION, "fvu"), (RECONSTRUCTION, "explained_variance")},
        id="variance about zero, not the mean",
    ),
    pytest.param(
        "saebench/tasks/reconstruction/clean.py",
        "(log_p - log_q)",
        "(log_q - log_q)",
        {(RECONSTRUCTION, "kl")},
        id="divergence from itself",
    ),
    pytest.param(
        "saebench/tasks/reconstruction/card.py",
        '{"ce_zero": 1, "ce_clean": -1}',
        '{"ce_zero": 1, "ce_spliced": -1}',
        {(RECONSTRUCTION, "loss_recovered")},
        id="wrong denominator",
    ),
    pytest.param(
        "saebench/stats/auroc.py",
        "ranks = stats.rankdata(scores, axis=0)",
        "ranks = 1.0 + scores.argsort(0).argsort(0)",
        {(PROBING, "auc_k1")},
        id="ties go to whoever stands later",
    ),
    pytest.param(
        "saebench/tasks/ground_truth/detection.py",
        "f1 = np.divide(2 * both",
        "f1 = np.divide(both",
        {(TRUTH, "f1")},
        id="half of F1",
    ),
    pytest.param(
        "saebench/tasks/seed_consistency/card.py",
        '{"cosine_own": 1, "null_own": -1}',
        '{"cosine_own": 1}',
        {(CONSISTENCY, "calibrated")},
        id="chance is taken for nothing",
    ),
]
BY_THE_PANEL = {(RECONSTRUCTION, metric) for metric in ("fvu", "explained_variance", "kl")}
"""Metrics of the watched suite whose mutants change every document."""


def nightly(package: Path, folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """The command with the code of `package`, in `folder`."""
    asked = ("nightly", "--panel", "panel.yaml", "--suite", "suite.yaml", "--reference", "reference", *words)
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *map(str, asked)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def referenced(built_world, tmp_path_factory):
    """A panel and suite with the reference of the code as it is."""
    folder = tmp_path_factory.mktemp("mutants")
    shutil.copytree(built_world.dictionary, folder / "topk")
    (folder / "panel.yaml").write_text("name: mine\nsubjects: [./topk]\n")
    shutil.copy(built_world.suite, folder / "suite.yaml")
    done = nightly(ROOT, folder, "--update-reference", "--reason", "the code as it is")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(("file", "right", "wrong", "broken"), MUTANTS)
def test_a_night_names_the_broken_metric(file, right, wrong, broken, referenced, tmp_path):
    for folder in ("saebench", "suites", "baselines", "leaderboard/site"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    source = (tmp_path / file).read_text()
    assert right in source, "the mutated line is gone: write the mutant anew"
    (tmp_path / file).write_text(source.replace(right, wrong))
    done = nightly(tmp_path, referenced, "--out", tmp_path / "nights", "--json")
    assert done.returncode in {1, 3}, done.stderr
    report = json.loads(done.stdout)
    golden = {(change["task"], change["metric"]) for change in report["golden"]["changes"]}
    assert broken <= golden
    moved = {(cell["task"], cell["metric"]) for cell in report["cells"] if cell["verdict"] in {"regressed", "improved"}}
    assert broken & BY_THE_PANEL <= moved
    told = (Path(report["out"]) / "report.md").read_text()
    for task, metric in broken:
        assert task in told
        assert metric in told
