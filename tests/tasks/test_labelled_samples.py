"""Labelled sample numbers are an ordinary labelled set: probing, TPP and SCR run on a synthetic world."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch

from saebench.baselines.controls import Identity, RandomDictionary
from saebench.baselines.oracle import Oracle
from saebench.fakes import FakeSubject, bench_of
from saebench.lm.model import load_model
from saebench.lm.synthetic.model import SITE
from saebench.tasks.sparse_probing.params import ProbingParams
from saebench.tasks.sparse_probing.task import SparseProbing
from saebench.tasks.summary import summarise

FEATURE = 6


@pytest.fixture
def lm(tmp_path, monkeypatch):
    monkeypatch.setenv("SAEBENCH_CACHE", str(tmp_path / "cache"))
    return load_model("synthetic:tiny", device="cpu")


def write_set(folder, world, count: int = 300):
    """A labelled set: samples behind the corpus with a feature on, and as many with it off."""
    numbers = np.arange(world.preset.samples, world.preset.samples + 20_000)
    on = world.samples(numbers).toarray()[:, FEATURE] > 0
    with (folder / "feature.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["text", "label"])
        rows.writerows([[int(number), "on"] for number in numbers[on][:count]])
        rows.writerows([[int(number), "off"] for number in numbers[~on][:count]])
    (folder / "feature.yaml").write_text("name: feature\nfile: feature.csv\n")
    return folder / "feature.yaml"


def test_sparse_probing_finds_the_latent_of_a_true_feature(lm, tmp_path):
    path = write_set(tmp_path, lm.world)
    params = ProbingParams(datasets=(str(path),), train_rows=200, test_rows=200)
    bench = bench_of(lm, params, folder=tmp_path)
    made = {
        "oracle": Oracle.of(lm.world),
        "identity": Identity(24),
        "random": RandomDictionary(24, 48, 3, 0, torch.zeros(24)),
    }
    subjects = [FakeSubject(one, name, site=SITE) for name, one in made.items()]
    scores = SparseProbing().run(subjects, bench)
    assert not bench.failures
    assert scores["oracle"].details["questions"]["feature"]["latents"][0] == FEATURE
    values = {name: summarise(SparseProbing.card, one)["auc_k1"].value for name, one in scores.items()}
    assert values["oracle"] == 1
    assert values["random"] < 0.95
    assert values["identity"] < 0.95
