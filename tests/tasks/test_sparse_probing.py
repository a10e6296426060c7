"""Truths about `sparse_probing@1`: synthetic features, controls, invariances, bad data, a user's own set."""

from __future__ import annotations

import csv
import random
import string
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

import saebench.tasks.sparse_probing.task as task_module
from saebench.baselines.controls import Identity, MeanOnly, PermutedDecoder
from saebench.bench import FileJournal
from saebench.data.labelled import labelled
from saebench.dictionaries.codes import Codes, DenseCodes
from saebench.dictionaries.contract import Context, Provenance, Traits
from saebench.dictionaries.fakes import RandomLinear
from saebench.errors import ConfigError, DataError, UnknownName
from saebench.fakes import FakeSubject, bench_of
from saebench.lm.fakes import tiny_model
from saebench.run.evaluate import Settings, run_suite
from saebench.run.suite import load_suite
from saebench.tasks.sparse_probing.params import ProbingParams
from saebench.tasks.sparse_probing.task import SparseProbing
from saebench.tasks.sparse_probing.validation import auc_by_text
from saebench.tasks.summary import summarise
from saebench.training.single import train

SMALL = {"train_rows": 60, "test_rows": 40}


def write_set(folder: Path, name: str, rows: list[tuple[str, str]], **fields: str) -> str:
    """A table and its YAML file; the path of the latter."""
    with (folder / f"{name}.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        writer.writerows(rows)
    lines = {"name": name, "file": f"{name}.csv", **fields}
    path = folder / f"{name}.yaml"
    path.write_text("\n".join(f"{key}: {value}" for key, value in lines.items()))
    return str(path)


def letters(seed: int, count: int = 160, ending: str = "ae") -> list[tuple[str, str]]:
    """Texts whose label is their last letter, which the last token's activation shows."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        last = ending[number % len(ending)]
        made.append(("".join(draw.choices(string.ascii_lowercase, k=draw.randint(4, 12))) + last, last))
    return made


@pytest.fixture(scope="module")
def lm():
    return tiny_model("llama", n_layers=3, d_model=16)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    folder = tmp_path_factory.mktemp("sets")
    pairs = ["ae", "io", "st", "xy"]
    return tuple(write_set(folder, f"last_{pair}", letters(seed, ending=pair)) for seed, pair in enumerate(pairs))


def score(lm, params: ProbingParams, dictionaries: dict[str, Any], **settings: Any):
    bench = bench_of(lm, params, **settings)
    task = SparseProbing()
    return task.run([FakeSubject(made, name) for name, made in dictionaries.items()], bench), bench


def values(scores) -> dict[str, float | None]:
    return {name: metric.value for name, metric in summarise(SparseProbing.card, scores).items()}


def same(a, b) -> None:
    assert a.tables["questions"].items == b.tables["questions"].items
    for name, column in a.tables["questions"].columns.items():
        assert np.array_equal(column, b.tables["questions"].columns[name]), name
    assert a.details == b.details


# Known features: text number i stands for an activation that a sparse code over orthonormal atoms makes.

FEATURES, D = 24, 24


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[ProbingParams, np.ndarray, torch.Tensor]:
    draw = np.random.default_rng(0)
    codes = draw.exponential(size=(400, FEATURES)) * (draw.random((400, FEATURES)) < 0.2)
    atoms = torch.from_numpy(np.linalg.qr(draw.normal(size=(D, D)))[0]).float()
    folder = tmp_path_factory.mktemp("features")
    names = []
    for feature in range(6):
        rows = [(f"text {number}", str(int(codes[number, feature] > 0))) for number in range(len(codes))]
        names.append(write_set(folder, f"feature_{feature}", rows))
    return ProbingParams(datasets=tuple(names), train_rows=80, test_rows=40), codes, atoms


def in_the_world(lm, known, dictionaries: dict[str, Any], noise: float = 0.0, **changes: Any):
    params, codes, atoms = known
    x = codes @ atoms.double().numpy() + noise * np.random.default_rng(1).normal(size=(len(codes), D))
    params = params.model_copy(update=changes)
    bench = bench_of(lm, params)
    task = SparseProbing()
    numbers = {}
    for name in params.datasets:
        for example in labelled(name).examples:
            numbers[example.hash] = int(example.text.split()[1])
    bench.last_tokens = lambda rows, site: x[[numbers[one] for one in rows.document_ids]].astype(np.float32)
    scores = task.run([FakeSubject(made, name) for name, made in dictionaries.items()], bench)
    assert not bench.failures
    return {name: values(one) for name, one in scores.items()}, scores


def test_true_features_are_found_by_one_latent_each(lm, known):
    made, _ = in_the_world(lm, known, {"oracle": RandomLinear(known[2], offset=1e-4)})
    assert made["oracle"]["auc_k1"] == pytest.approx(1.0, abs=1e-9)
    assert made["oracle"]["auc_k16"] > 0.9
    assert made["oracle"]["l0"] == pytest.approx(0.2 * FEATURES, rel=0.1)


def test_order_of_controls_on_known_features(lm, known):
    """Trained above random at few latents; permuted ties with its parent; the mean knows nothing."""
    draw = np.random.default_rng(2)
    many = draw.exponential(size=(20_000, FEATURES)) * (draw.random((20_000, FEATURES)) < 0.2)
    x = torch.from_numpy(many).float() @ known[2]
    trained = train("topk", x, d_dict=2 * FEATURES, steps=300, batch_size=512, k=5)
    panel = {
        "oracle": RandomLinear(known[2], offset=1e-4),
        "trained": trained,
        "permuted": PermutedDecoder(trained, seed=0),
        "random": RandomLinear.draw(D, 2 * FEATURES, offset=0.5),
        "identity": Identity(D),
        "mean": MeanOnly(torch.zeros(D)),
    }
    made, scores = in_the_world(lm, known, panel)
    assert made["oracle"]["auc_k1"] > made["trained"]["auc_k1"] - 1e-9
    for k in ("1", "2"):
        assert made["trained"][f"auc_k{k}"] > made["random"][f"auc_k{k}"] + 0.1
        assert made["trained"][f"auc_k{k}"] > made["identity"][f"auc_k{k}"] + 0.1
    assert made["trained"] == made["permuted"]
    same(scores["trained"], scores["permuted"])
    for k in ("1", "all"):
        assert made["mean"][f"auc_k{k}"] == 0.5
    assert made["mean"]["l0"] == 0.0
    assert made["mean"]["quiver_gain"] == 0.0


def test_a_dictionary_adds_to_raw_activations_what_they_hide(lm, known):
    """With 20 training rows in noise the true features generalise better than 24 raw dimensions."""
    made, _ = in_the_world(
        lm, known, {"oracle": RandomLinear(known[2], offset=0.3)}, noise=0.1, regime="scarcity", levels=(20,)
    )
    assert made["oracle"]["quiver_gain"] > 0.02
    assert made["oracle"]["dictionary_chosen"] > 0
    assert made["oracle"]["auc_quiver_with_dictionary"] == pytest.approx(
        made["oracle"]["auc_quiver"] + made["oracle"]["quiver_gain"]
    )


def test_identity_is_the_best_single_raw_dimension(lm, known):
    params, codes, atoms = known
    _, scores = in_the_world(lm, known, {"identity": Identity(D)})
    x = (codes @ atoms.double().numpy()).astype(np.float32).astype(float)
    table = scores["identity"].tables["questions"]
    for place, (name, probed) in enumerate(zip(table.items, SparseProbing().sets(params, lm, 0), strict=True)):
        number = np.array([int(labelled_text(params, name, one)) for one in probed.rows.document_ids])
        asked = probed.questions[0].asked
        fit, held = x[number[asked.train]], x[number[asked.test]]
        size = np.abs(fit).mean(0)
        gaps = (fit[asked.y_train == 1].mean(0) - fit[asked.y_train == 0].mean(0)) / size
        best = np.abs(gaps).argmax()
        expected = roc_auc_score(asked.y_test, held[:, best] * np.sign(gaps[best]))
        assert table.columns["auc_k1"][place] == pytest.approx(expected, abs=1e-9)


def labelled_text(params: ProbingParams, name: str, key: str) -> str:
    (path,) = (one for one in params.datasets if Path(one).stem == name)
    (example,) = (one for one in labelled(path).examples if one.hash == key)
    return example.text.split()[1]


def test_noise_hurts_and_lopsided_classes_keep_their_auc(lm, known):
    oracle = {"oracle": RandomLinear(known[2], offset=1e-4)}
    noisy, scores = in_the_world(lm, known, oracle, noise=0.3, regime="noise", levels=(0.0, 0.4))
    table = scores["oracle"].tables["questions"]
    clean = np.array([item.endswith("=0") for item in table.items])
    assert table.columns["auc_logreg"][clean].mean() > table.columns["auc_logreg"][~clean].mean() + 0.1
    assert noisy["oracle"]["auc_k16"] < 1.0
    lopsided, _ = in_the_world(lm, known, oracle, regime="imbalance", levels=(0.2, 0.5))
    assert lopsided["oracle"]["auc_k1"] == pytest.approx(1.0)


# Real passes of a tiny model.


def test_the_last_letter_is_known_and_intervals_need_ten_families(lm, sets):
    scores, bench = score(lm, ProbingParams(datasets=sets, **SMALL), {"identity": Identity(16)})
    assert not bench.failures
    made = summarise(SparseProbing.card, scores["identity"])
    assert made["auc_logreg"].value > 0.95
    assert made["auc_kall"].value > 0.95
    assert made["auc_k16"].value == pytest.approx(made["auc_kall"].value, abs=0.02)
    assert made["auc_k16"].n == 4
    assert "at least 10" in made["auc_k16"].undefined
    assert made["auc_k128"].undefined == "the dictionary has 16 latents, fewer than 128"


def test_no_text_trains_and_tests(lm, sets):
    params = ProbingParams(datasets=sets, **SMALL)
    for one in SparseProbing().sets(params, lm, 0):
        assert len(set(one.rows.document_ids)) == one.rows.n_rows
        for question in one.questions:
            assert not set(question.asked.train) & set(question.asked.test)
            assert question.asked.y_train.mean() == question.asked.y_test.mean() == 0.5


@pytest.fixture
def panel() -> dict[str, Any]:
    return {"a": RandomLinear.draw(16, 64, offset=1.0, seed=1), "b": Identity(16)}


def test_company_order_and_caches_change_nothing(lm, sets, panel, tmp_path):
    params = ProbingParams(datasets=sets, **SMALL)
    cold, _ = score(lm, params, panel, folder=tmp_path)
    warm, _ = score(lm, params, dict(reversed(panel.items())), folder=tmp_path)
    alone, _ = score(lm, params, {"a": panel["a"]})
    same(cold["a"], warm["a"])
    same(cold["b"], warm["b"])
    same(cold["a"], alone["a"])


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_batch_sizes_change_nothing_beyond_rounding(lm, sets, panel, pooling, monkeypatch):
    params = ProbingParams(datasets=sets[:2], pooling=pooling, **SMALL)
    first, _ = score(lm, params, panel, rows_per_block=4)
    monkeypatch.setattr("saebench.tasks.sparse_probing.pooled.ROWS", 7)
    monkeypatch.setattr("saebench.tasks.sparse_probing.pooled.TEXTS", 11)
    monkeypatch.setattr("saebench.activations.last_tokens.BATCH_TOKENS", 100)
    second, _ = score(lm, params, panel, rows_per_block=1)
    for name, value in values(first["a"]).items():
        assert values(second["a"])[name] == (None if value is None else pytest.approx(value, rel=1e-5)), name


def test_another_seed_is_another_split_and_the_same_seed_the_same(lm, sets, panel):
    params = ProbingParams(datasets=sets[:1], **SMALL)
    prints = [SparseProbing().data(params, lm, seed)[0].fingerprint for seed in (0, 1, 0)]
    assert prints[0] == prints[2] != prints[1]


class Killed(BaseException):
    pass


def test_a_killed_run_goes_on_bit_equal_and_redoes_no_finished_set(lm, sets, panel, tmp_path, monkeypatch):
    params = ProbingParams(datasets=sets, **SMALL)
    whole, _ = score(lm, params, panel)
    real: Callable[..., Any] = task_module.score_question
    calls = [0]

    def counted(*arguments: Any) -> None:
        calls[0] += 1
        if calls[0] == 6:
            raise Killed
        real(*arguments)

    monkeypatch.setattr(task_module, "score_question", counted)
    journal = FileJournal(tmp_path / "journal.npz")
    with pytest.raises(Killed):
        score(lm, params, panel, journal=journal)
    calls[0] = 10
    again, _ = score(lm, params, panel, journal=journal)
    assert calls[0] == 10 + 2 * 2
    same(whole["a"], again["a"])
    same(whole["b"], again["b"])


class Broken(Identity):
    """Breaks on the second encoding."""

    calls = 0

    def encode(self, x: torch.Tensor, context: Context | None = None) -> Codes:
        self.calls += 1
        return DenseCodes(x / 0.0 if self.calls == 2 else x)


def test_a_subject_that_fails_leaves_the_others_alone(lm, sets, panel):
    params = ProbingParams(datasets=sets[:2], **SMALL)
    alone, _ = score(lm, params, {"b": Identity(16)})
    scores, bench = score(lm, params, {"bad": Broken(16), "worse": ValueError("boom"), "b": Identity(16)})
    assert set(scores) == {"b"}
    assert "NaN or an infinity" in bench.failures["bad"].message
    assert "boom" in bench.failures["worse"].message
    same(alone["b"], scores["b"])


class Running(Identity):
    """Every token becomes the mean of the unmasked ones up to it: it must read whole texts."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.traits = Traits(signed=True, sequence_coupled=True)

    def encode(self, x: torch.Tensor, context: Context | None = None) -> Codes:
        assert context is not None
        seen = context.mask.unsqueeze(2).to(x.dtype)
        return DenseCodes(((x * seen).cumsum(1) / seen.cumsum(1).clamp(min=1)).flatten(0, 1))


def test_mean_pooling_averages_codes_over_the_tokens_of_a_text(lm, sets):
    """The last token of a running mean is the mean: both ways to it must agree."""
    last = ProbingParams(datasets=sets[:2], **SMALL)
    mean = last.model_copy(update={"pooling": "mean"})
    a = values(score(lm, last, {"running": Running(16)})[0]["running"])
    b = values(score(lm, mean, {"identity": Identity(16)})[0]["identity"])
    for k in ("1", "5", "16", "all"):
        assert a[f"auc_k{k}"] == pytest.approx(b[f"auc_k{k}"], abs=1e-3)
    assert a["auc_logreg"] != b["auc_logreg"]
    assert b["auc_logreg"] == pytest.approx(b["auc_kall"], abs=1e-3)


class Scaled(RandomLinear):
    """The same latents active, with codes of another size on every token."""

    def encode(self, x: torch.Tensor, context: Context | None = None) -> Codes:
        dense = super().encode(x, context).dense()
        return DenseCodes(dense * (1 + x[:, :1].abs()))


def test_binarised_codes_forget_how_much(lm, sets):
    params = ProbingParams(datasets=sets[:2], binarise=True, **SMALL)
    rows = RandomLinear.draw(16, 64, offset=1.0, seed=1).rows
    scores, _ = score(lm, params, {"a": RandomLinear(rows, 1.0), "b": Scaled(rows, 1.0)})
    same(scores["a"], scores["b"])
    params = params.model_copy(update={"binarise": False})
    scores, _ = score(lm, params, {"a": RandomLinear(rows, 1.0), "b": Scaled(rows, 1.0)})
    assert values(scores["a"])["auc_k5"] != values(scores["b"])["auc_k5"]


def test_questions_that_training_documents_hold_do_not_count(lm, sets):
    params = ProbingParams(datasets=sets, **SMALL)
    clean = Identity(16)
    seen = Identity(16)
    first = SparseProbing().sets(params, lm, 0)[0]
    known = [one.hash for one in labelled(sets[0]).examples if one.hash in set(first.rows.document_ids)]
    seen.provenance = replace(Provenance(), documents=tuple(known[:3]))
    scores, _ = score(lm, params, {"clean": clean, "seen": seen})
    assert scores["seen"].details["contaminated"] == {"last_ae": 3}
    columns = scores["clean"].tables["questions"].columns
    assert values(scores["seen"])["auc_k2"] == pytest.approx(columns["auc_k2"][1:].mean())
    assert values(scores["clean"])["auc_k2"] == pytest.approx(columns["auc_k2"].mean())
    every = Identity(16)
    hashes = [one.hash for name in sets for one in labelled(name).examples]
    every.provenance = replace(Provenance(), documents=tuple(hashes))
    made = summarise(SparseProbing.card, score(lm, params, {"every": every})[0]["every"])
    assert {metric.undefined for metric in made.values()} == {
        "all 4 questions share prompts with the dictionary's training documents"
    }


def test_several_classes_are_several_questions_of_one_family(lm, tmp_path):
    path = write_set(tmp_path, "five", letters(0, 200, "aeiou"))
    scores, _ = score(lm, ProbingParams(datasets=(path,), **SMALL), {"identity": Identity(16)})
    table = scores["identity"].tables["questions"]
    assert table.items == tuple(f"five: {letter}" for letter in "aeiou")
    assert set(table.clusters) == {"five"}


def test_what_cleaning_did_is_told(lm, tmp_path):
    rows = letters(0, 100)
    rows += [*rows[:7], (rows[9][0], "e" if rows[9][1] == "a" else "a"), (" ", "a")]
    rows += [("word " * 30 + str(n), "ae"[n % 2]) for n in range(10)]
    path = write_set(tmp_path, "dirty", rows)
    params = ProbingParams(datasets=(path,), context=40, train_rows=200, test_rows=100)
    scores, _ = score(lm, params, {"identity": Identity(16)})
    about = scores["identity"].details["sets"]["dirty"]
    assert (about["rows"], about["duplicates"], about["contradicted"], about["empty"]) == (119, 7, 2, 1)
    assert about["cut"] == 10
    assert about["family"] == "dirty"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([(f"text {n}", "a") for n in range(40)], "one class alone"),
        ([(f"text {n}", "ab"[n % 2]) for n in range(12)], "12 usable rows"),
        ([("same", "a")] * 30 + [("other", "b")] * 30, "2 usable rows of 60"),
        ([(f"text {n}", str(n)) for n in range(40)], "label of its own"),
        ([(f"text {n}", "a" if n else "b") for n in range(40)], "no row in the training part"),
    ],
)
def test_what_is_no_data_set_is_refused_before_anything_runs(lm, tmp_path, rows, words):
    path = write_set(tmp_path, "bad", rows)
    with pytest.raises(DataError, match=words):
        SparseProbing().data(ProbingParams(datasets=(path,)), lm, 0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"datasets": ("96_spam_is", "96_spam_is")}, "named twice"),
        ({"regime": "shift", "datasets": ("96_spam_is",)}, "no shifted test file"),
        ({"regime": "standard", "levels": (2,)}, "has no levels"),
        ({"regime": "scarcity", "levels": (2.5,)}, "no number of training rows"),
        ({"regime": "imbalance", "levels": (1.0,)}, "no share of positives"),
        ({"regime": "noise", "levels": (0.7,)}, "no share of flipped labels"),
        ({"mode": "sae_probes", "regime": "noise"}, "standard setting"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(lm, settings, words):
    with pytest.raises(ConfigError, match=words):
        SparseProbing().data(ProbingParams(**settings), lm, 0)


def test_a_wrong_name_has_near_misses(lm):
    with pytest.raises(UnknownName, match="96_spam_is"):
        SparseProbing().data(ProbingParams(datasets=("96_spam",)), lm, 0)


USERS_SUITE = """
name: mine
version: 1
lm: {model}
site: blocks.1.hook_resid_post
data:
  eval: {{source: {corpus}, part: eval, documents: 14, context: 24, tokens_per_document: 40}}
  fit: {{source: {corpus}, part: train, tokens: 2000, context: 24}}
tasks:
  - task: sparse_probing@1
    params: {{datasets: [{datasets}], train_rows: 60, test_rows: 40}}
defaults: {{l0: 4, d_dict: 64, rows_per_block: 4}}
controls: ["control:identity", "control:random", "control:permuted"]
"""


@pytest.mark.parametrize("balance", [0.5, 0.2])
def test_what_texts_contribute_averages_to_the_auc_and_has_its_spread(balance):
    """Against scikit-learn's AUC, and against the spread of AUCs over redrawn texts of each class."""
    draw = np.random.default_rng(0)
    y = (np.arange(400) < 400 * balance).astype(np.int64)
    scores = np.round(y + draw.normal(0, 1, len(y)), 1)
    found = auc_by_text(scores, y)
    assert found.mean() == pytest.approx(roc_auc_score(y, scores), abs=1e-12)
    redrawn = []
    for _ in range(2000):
        rows = np.concatenate([draw.choice(np.flatnonzero(y == side), (y == side).sum()) for side in (0, 1)])
        redrawn.append(roc_auc_score(y[rows], scores[rows]))
    error = np.sqrt(sum(((found[y == side] - found[y == side].mean()) ** 2).sum() for side in (0, 1))) / len(y)
    assert error == pytest.approx(np.std(redrawn), rel=0.08)


def test_a_table_and_five_lines_are_a_suite(world, tmp_path, monkeypatch):
    path = write_set(tmp_path, "mine", letters(0))
    small = load_suite(str(world.suite))
    monkeypatch.setattr("saebench.run.suite.load_features", lambda: small)
    outcome = run_suite([str(world.dictionary)], path, Settings(tmp_path / "out"))
    assert not outcome.failures
    assert {one.suite for one in outcome.computed} == {"mine-v1"}
    identity = next(one for one in outcome.computed if one.subject.role == "identity")
    over_sets, over_texts = identity.metrics["auc_kall"], identity.metrics["auc_kall_by_text"]
    assert over_sets.value == pytest.approx(over_texts.value, abs=1e-12)
    assert over_sets.low is None
    assert "1 cluster" in over_sets.undefined
    assert over_texts.low <= over_texts.value <= over_texts.high


def test_a_users_sets_are_scored_with_intervals(world, tmp_path):
    names = [write_set(tmp_path, f"mine_{seed}", letters(seed)) for seed in range(10)]
    suite = tmp_path / "suite.yaml"
    suite.write_text(USERS_SUITE.format(model=world.model, corpus=world.corpus, datasets=", ".join(names)))
    outcome = run_suite([str(world.dictionary)], str(suite), Settings(tmp_path / "out"))
    assert not outcome.failures
    assert len(outcome.computed) == 4
    identity = next(one for one in outcome.computed if one.subject.role == "identity")
    metric = identity.metrics["auc_kall"]
    assert metric.value > 0.95
    assert metric.low <= metric.value <= metric.high
    assert metric.n == 10
    assert [one.part for one in identity.data] == [f"mine_{seed}" for seed in range(10)]
    by_role = {one.subject.role: one.metrics for one in outcome.computed}
    assert by_role["permuted"]["auc_k1"] == by_role[None]["auc_k1"]
    again = run_suite([str(world.dictionary)], str(suite), Settings(tmp_path / "out"))
    assert not again.computed
