"""An audit from end to end on a tiny model and a tiny world."""

from __future__ import annotations

from pathlib import Path

import pytest

from saebench.audit import questions, sweep
from saebench.audit.auditing import Request, run_audit
from saebench.errors import UnknownName, UsageError
from saebench.results.audits import audit_of, write_audit
from saebench.run.evaluate import Settings
from saebench.tasks import TASKS

SEEDS = (0, 1, 2, 3, 4)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """A sweep of four settings, a pool that tiny has rows enough in, and few questions."""
    monkeypatch.setattr(sweep, "STEPS", (5, 60))
    monkeypatch.setattr(sweep, "KS", (2, 6))
    monkeypatch.setattr(questions, "POOL", 4096)
    monkeypatch.setattr(questions, "ROWS", 60)
    monkeypatch.setattr(questions, "PROBED", 6)


def request_for(task, suite, *subjects, seeds=SEEDS, world="synthetic:tiny", out="results"):
    return Request(task, subjects, Settings(Path(out), seeds=seeds), str(suite), world)


@pytest.fixture
def probing_suite(world, tmp_path):
    rows = "".join(
        f"the old house {number} on a hill,{number % 2}\n" if number % 2 else f"wind at night {number} in summer,0\n"
        for number in range(120)
    )
    (tmp_path / "toy.csv").write_text("text,label\n" + rows)
    (tmp_path / "toy.yaml").write_text("name: toy\nfile: toy.csv\ntext: text\nlabel: label\nlicence: CC0\n")
    path = tmp_path / "probing.yaml"
    task = f"  - task: sparse_probing@1\n    params: {{datasets: [{tmp_path / 'toy.yaml'}], train_rows: 40}}\n"
    text = world.suite.read_text().replace("  - task: reconstruction@1\n", task)
    controls = 'controls: ["control:identity", "control:mean", "control:random", "baseline:pca"]'
    assert controls in text
    path.write_text(text.replace(controls, 'controls: ["control:random"]'))
    return path


@pytest.mark.slow
def test_probing_is_held_against_the_truth_and_found_again(world, probing_suite):
    made = run_audit(request_for("sparse_probing@1", probing_suite, str(world.dictionary)))
    record = made.record
    assert not made.failures
    assert record.settings.eval_seeds == SEEDS
    assert len(record.settings.sweep) == 4 + 3, "four trained, oracle, random and permuted"
    metric = record.metric("auc_k1")
    assert metric.reseed_sd.value > 0
    assert -1 <= metric.validity_f1.low <= metric.validity_f1.value <= metric.validity_f1.high <= 1
    assert metric.validity_f1.n == 7
    assert metric.validity_f1.value > 0.5, "a dictionary that found the features probes them better"
    assert metric.trend.undefined.startswith("no two subjects differ in training length alone")
    write_audit(record, Path("results"))
    assert audit_of(TASKS.get("sparse_probing@1").card, Path("results")) == record
    again = run_audit(request_for("sparse_probing@1", probing_suite, str(world.dictionary))).record
    assert again.metrics == record.metrics


def test_a_task_that_needs_next_tokens_says_why_it_has_no_validity(world):
    record = run_audit(request_for("reconstruction@1", world.suite, str(world.dictionary))).record
    metric = record.metric("loss_recovered")
    assert metric.validity_f1.value is None
    assert "cannot run on a synthetic world" in metric.validity_f1.undefined
    assert metric.cv.value > 0
    assert [check.held for check in metric.order if check.better == "identity"] == [True]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"seeds": (0, 1)}, UsageError, "at least 5 different seeds"),
        ({"task": "tpp@1"}, UsageError, "does not have tpp@1"),
        ({"task": "recontsruction@1"}, UnknownName, "reconstruction@1"),
        ({"world": "synthetic:tiyn"}, UnknownName, "tiny"),
    ],
)
def test_what_cannot_be_audited_is_told(world, changes, error, words):
    settings = {"task": "reconstruction@1", "seeds": SEEDS, "world": "synthetic:tiny"} | changes
    wanted = request_for(settings["task"], world.suite, seeds=settings["seeds"], world=settings["world"])
    with pytest.raises(error, match=words):
        run_audit(wanted)
