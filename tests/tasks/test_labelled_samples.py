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
from saebench.tasks.scr.task import Scr, ScrParams
from saebench.tasks.sparse_probing.params import ProbingParams
from saebench.tasks.sparse_probing.task import SparseProbing
from saebench.tasks.summary import summarise
from saebench.tasks.tpp.task import Tpp, TppParams

FEATURE = 6


@pytest.fixture
def lm(tmp_path, monkeypatch):
    monkeypatch.setenv("SAEBENCH_CACHE", str(tmp_path / "cache"))
    return load_model("synthetic:tiny", device="cpu")


def held_out(world, count: int = 20_000):
    """Numbers of samples behind the corpus, which no dictionary was trained on, and what is on in them."""
    numbers = np.arange(world.preset.samples, world.preset.samples + count)
    return numbers, world.samples(numbers).toarray() > 0


def write_table(folder, name: str, columns: str, labels: str, rows) -> str:
    """A table of sample numbers with labels and the YAML file that names it."""
    with (folder / f"{name}.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(columns.split())
        table.writerows(rows)
    (folder / f"{name}.yaml").write_text(f"name: {name}\nfile: {name}.csv\n{labels}")
    return str(folder / f"{name}.yaml")


def subjects(world) -> list[FakeSubject]:
    made = {
        "oracle": Oracle.of(world),
        "identity": Identity(24),
        "random": RandomDictionary(24, 48, 3, 0, torch.zeros(24)),
    }
    return [FakeSubject(one, name, site=SITE) for name, one in made.items()]


def values_of(task, scores, metric: str) -> dict[str, float]:
    return {name: summarise(task.card, one)[metric].value for name, one in scores.items()}


def test_sparse_probing_finds_the_latent_of_a_true_feature(lm, tmp_path):
    numbers, on = held_out(lm.world)
    rows = [[one, "on"] for one in numbers[on[:, FEATURE]][:300]] + [
        [one, "off"] for one in numbers[~on[:, FEATURE]][:300]
    ]
    path = write_table(tmp_path, "feature", "text label", "", rows)
    bench = bench_of(lm, ProbingParams(datasets=(path,), train_rows=200, test_rows=200), folder=tmp_path)
    scores = SparseProbing().run(subjects(lm.world), bench)
    assert not bench.failures
    assert scores["oracle"].details["questions"]["feature"]["latents"][0] == FEATURE
    values = values_of(SparseProbing, scores, "auc_k1")
    assert values["oracle"] == 1
    assert max(values["random"], values["identity"]) < 0.95


def test_tpp_and_scr_run_on_labelled_samples(lm, tmp_path):
    numbers, on = held_out(lm.world)
    roots = np.flatnonzero(lm.world.firing.forest.depth == 0)
    single = on[:, roots].sum(1) == 1
    which = on[:, roots].argmax(1)
    classes = [[one, f"root {label}"] for one, label in zip(numbers[single], which[single], strict=True)]
    path = write_table(tmp_path, "roots", "text label", "", classes)
    params = TppParams(sets=(path,), classes=4, train_texts=60, validation_texts=30, test_texts=60)
    bench = bench_of(lm, params, folder=tmp_path)
    scores = Tpp().run(subjects(lm.world), bench)
    assert not bench.failures
    values = values_of(Tpp, scores, "tpp_n2")
    assert values["oracle"] > values["random"]

    first, second = roots[1], roots[3]
    crossed = [[one, int(row[first]), int(row[second])] for one, row in zip(numbers, on, strict=True)]
    path = write_table(tmp_path, "crossed", "text one two", "first: one\nsecond: two\n", crossed)
    bench = bench_of(lm, ScrParams(pairs=(path,)), folder=tmp_path)
    scores = Scr().run(subjects(lm.world), bench)
    assert not bench.failures
    assert all(value is not None for value in values_of(Scr, scores, "scr_n10").values())
