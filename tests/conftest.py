"""One small world for tests that go from text to results: a tiny model, a corpus, a suite and dictionaries on disk."""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)
"""Tiny tensors: a second thread only costs."""

ALLOWED_SKIPS: dict[str, str] = {
    "tests/report/test_table.py::test_latex_compiles_with_booktabs_alone": "pdflatex is a package of its own",
    "tests/data/test_facts.py::test_the_published_files_are_read": "RAVEL's files lie in ../shared/data, not here",
    "tests/data/test_concepts.py::test_a_bag_of_words_detects_axbenchs_concepts_as_well_as_others_found": (
        "AxBench's files lie in ../shared/data, not here"
    ),
}
"""Tests that may be skipped in continuous integration, by node id, with the reason."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In continuous integration a skipped test fails the run: what was not looked at is not known to work."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or reporter is None:
        return
    skipped = [report.nodeid for report in reporter.stats.get("skipped", []) if report.nodeid not in ALLOWED_SKIPS]
    if skipped:
        reporter.write_line(f"skipped in CI without leave: {', '.join(skipped)}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


WORDS = ["the", "old", "house", "on", "hill", "was", "quiet", "at", "night", "but", "in", "summer", "a", "wind"]

SUITE = """
name: small
version: 1
about: A tiny model on a tiny corpus.
lm: {model}
site: blocks.1.hook_resid_post
data:
  eval: {{source: {corpus}, part: eval, documents: 14, context: 24, tokens_per_document: 40}}
  fit: {{source: {corpus}, part: train, tokens: 2000, context: 24}}
tasks:
  - task: reconstruction@1
eval_seeds: [0]
defaults: {{l0: 4, d_dict: 64, rows_per_block: 4}}
controls: ["control:identity", "control:mean", "control:random", "baseline:pca"]
"""


@dataclass(frozen=True)
class World:
    """Paths of everything; `site` is where the dictionaries belong, `other` is another site of the same width."""

    root: Path
    model: Path
    corpus: Path
    suite: Path
    dictionary: Path
    site: str = "blocks.1.hook_resid_post"
    other: str = "blocks.0.hook_resid_post"


@pytest.fixture(scope="session")
def built_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    from saebench.dictionaries import ARCHITECTURES
    from saebench.dictionaries.autoencoder import SparseAutoencoder
    from saebench.dictionaries.checkpoints import save
    from saebench.dictionaries.contract import Provenance
    from saebench.lm.fakes import tiny_model

    root = tmp_path_factory.mktemp("world")
    lm = tiny_model("llama", n_layers=3, d_model=16)
    lm.hf.save_pretrained(root / "model")
    lm.tokenizer.save_pretrained(root / "model")
    draw = random.Random(0)
    with (root / "corpus.jsonl").open("w") as stream:
        for number in range(300):
            text = " ".join(draw.choices(WORDS, k=draw.randint(6, 14)))
            stream.write(json.dumps({"text": f"{number} {text}."}) + "\n")
    made = SparseAutoencoder(
        ARCHITECTURES.get("topk")(k=4),
        16,
        64,
        sites=("blocks.1.hook_resid_post",),
        provenance=Provenance(architecture="topk", train_seed=0),
    )
    made.initialise(torch.Generator().manual_seed(0), torch.randn(256, 16))
    save(made.fold(), root / "topk")
    suite = root / "suite.yaml"
    suite.write_text(SUITE.format(model=root / "model", corpus=root / "corpus.jsonl"))
    return World(root, root / "model", root / "corpus.jsonl", suite, root / "topk")


@pytest.fixture
def world(built_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world, with a cache and a working folder of the test's own."""
    monkeypatch.setenv("SAEBENCH_CACHE", str(built_world.root / "cache"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return built_world
