"""The quickstart as a user runs it, on the real packaged model; killed once on the way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from saebench.data import load_rows
from saebench.lm.model import load_model
from saebench.run.suite import load_suite

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-c", "from saebench.cli.main import main; main()", "quickstart"]


def call(out: Path) -> dict[str, Any]:
    done = subprocess.run([*COMMAND, "--out", str(out), "--json"], stdout=subprocess.PIPE, text=True, check=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quickstart that was killed while it trained and started again."""
    folder = tmp_path_factory.mktemp("quickstart")
    process = subprocess.Popen([*COMMAND, "--out", str(folder), "--json"], stdout=subprocess.DEVNULL)
    while process.poll() is None and not list(folder.glob("dictionaries/*/*state*")):
        time.sleep(0.5)
    assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    (folder / "first.json").write_text(json.dumps(call(folder)))
    return folder


@pytest.fixture(scope="module")
def metrics(out: Path) -> dict[str, dict[str, Any]]:
    report = json.loads((out / "first.json").read_text())
    assert (report["skipped"], report["failed"]) == (0, 0)
    return {row["subject"]: row["metrics"] for row in report["results"]}


def trained(metrics: dict[str, dict[str, Any]]) -> list[str]:
    return [name for name in metrics if name.startswith(("topk", "batchtopk", "matryoshka"))]


def test_the_panel_is_what_the_story_promises(metrics):
    assert len(trained(metrics)) >= 6
    assert metrics["identity"]["ce_clean"]["n"] >= 64


def test_started_again_it_computes_nothing(out, metrics):
    again = call(out)
    assert again["computed"] == 0
    assert {row["subject"]: row["metrics"] for row in again["results"]} == metrics


def test_oracle_over_trained_over_random_with_disjoint_intervals(metrics):
    random = next(name for name in metrics if name.startswith("random"))
    assert metrics["identity"]["loss_recovered"]["value"] == 1.0
    assert metrics["identity"]["fvu"]["value"] == 0.0
    for name in trained(metrics):
        own = metrics[name]
        assert own["loss_recovered"]["high"] < 1.0
        assert own["loss_recovered"]["low"] > metrics[random]["loss_recovered"]["high"], name
        assert own["fvu"]["high"] < metrics[random]["fvu"]["low"], name


def test_the_mean_explains_nothing(metrics):
    assert metrics["mean"]["explained_variance"]["value"] == pytest.approx(0.0, abs=1e-6)


def test_topk_at_32_beats_32_principal_components(metrics):
    for name in ("topk-2048-k32-s0", "topk-2048-k32-s1"):
        assert metrics[name]["l0"]["value"] <= 32
        assert metrics[name]["fvu"]["high"] < metrics["pca-l0-32"]["fvu"]["low"]


def test_the_clean_loss_is_the_whole_model_s(metrics):
    """The model run from the tokens, without a site, a store or a block of ours in between."""
    lm, suite = load_model("smollm2-135m-instruct"), load_suite("quick")
    rows = load_rows(suite.data.eval, lm.tokenizer, tokenizer_hash=lm.tokenizer_hash, seed=0)
    total, count = 0.0, 0
    for tokens, mask in zip(torch.from_numpy(rows.tokens).long(), torch.from_numpy(rows.mask), strict=True):
        with torch.no_grad():
            logits = lm.hf(input_ids=tokens[None]).logits[0, :-1].double()
        counted = mask[:-1] & mask[1:]
        total += float(cross_entropy(logits[counted], tokens[1:][counted], reduction="sum"))
        count += int(counted.sum())
    assert metrics["identity"]["ce_clean"]["value"] == pytest.approx(total / count, rel=1e-5)


def test_it_leaves_a_page_and_a_tracking_database(out, metrics):
    page = (out / "leaderboard" / "index.html").read_text()
    for name in metrics:
        assert name in page
    assert (out / "results" / "mlflow.db").is_file()
