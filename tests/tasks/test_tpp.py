"""Truths about `tpp@1`: known values, known features, and the same numbers by brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted import Counting, MemoryJournal, Planted, features, subjects, write_table

from saebench.baselines.controls import MeanOnly, PermutedDecoder
from saebench.dictionaries.fakes import RandomLinear
from saebench.lm.fakes import tiny_model
from saebench.results.items import ItemTable
from saebench.tasks.contract import Scores
from saebench.tasks.summary import summarise
from saebench.tasks.tpp.classes import paired
from saebench.tasks.tpp.measures import drops, first_half, permutation_null, tpp
from saebench.tasks.tpp.task import Tpp, TppParams, effects, sets_of, with_probes
from saebench.token_means.latents import N_VALUES, probe_gains, strongest
from saebench.token_means.means import code_means

CLASSES = "abcde"
PER_CLASS = 60


@pytest.fixture(scope="module")
def lm():
    return tiny_model("llama", n_layers=2, d_model=8)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Five classes with a feature of their own each."""
    folder = tmp_path_factory.mktemp("tpp")
    texts = [f"{label} text no {number} of it" for number in range(PER_CLASS) for label in CLASSES]
    path = write_table(folder, "letters", [{"text": text, "label": text[0]} for text in texts], "")
    planted = Planted.of(texts, lambda text: {CLASSES.index(text[0]): 2.0})
    return planted, TppParams(sets=(str(path),), random_draws=3)


def run(world, lm, dictionaries, **settings):
    planted, params = world
    bench = planted.bench(lm, params, **settings)
    scores = Tpp().run(subjects(dictionaries), bench)
    assert not bench.failures
    return scores


def values(scores):
    return {name: metric.value for name, metric in summarise(Tpp.card, scores).items()}


def test_the_score_of_given_accuracies():
    """O7.2: clean (.90, .85, .80); after each class (.70, .84, .79), (.89, .60, .80), (.88, .85, .75): .158333."""
    n = 100
    clean = np.stack([np.arange(n) < 100 * accuracy for accuracy in (0.9, 0.85, 0.8)])
    after = np.stack(
        [
            np.stack([np.arange(n) < round(100 * accuracy) for accuracy in row])
            for row in ((0.7, 0.84, 0.79), (0.89, 0.6, 0.8), (0.88, 0.85, 0.75))
        ]
    )
    intended, unintended = drops(clean, after)
    ids = tuple(map(str, range(3 * n)))
    columns = {
        "weight": np.full(3 * n, 1 / 300),
        "intended_n2": intended.ravel() / 300,
        "unintended_n2": unintended.ravel() / 300,
    }
    card = replace(Tpp.card, metrics=tuple(Tpp.card.metric(name) for name in ("tpp_n2", "intended_n2")))
    made = summarise(card, Scores({"texts": ItemTable(ids, ids, columns)}))
    assert made["tpp_n2"].value == pytest.approx(0.158333, abs=1e-6)
    assert made["intended_n2"].value == pytest.approx((0.2 + 0.25 + 0.05) / 3)
    assert tpp((clean - after.astype(float)).mean(-1)) == pytest.approx(0.158333, abs=1e-6)


def test_known_features_are_found_and_nothing_else_is_hurt(world, lm):
    oracle = RandomLinear(features())
    dictionaries = {
        "oracle": oracle,
        "permuted": PermutedDecoder(oracle, 0),
        "random": RandomLinear.draw(24, 24, seed=3),
    }
    scores = run(world, lm, dictionaries)
    made = {name: values(one) for name, one in scores.items()}
    assert made["oracle"]["intended_n2"] > 0.4
    assert abs(made["oracle"]["unintended_n2"]) < 0.05
    assert abs(made["oracle"]["tpp_random_n2"]) < 0.1
    assert made["oracle"]["tpp_above_random_n2"] > 0.3
    assert made["oracle"]["isolation"] < 0.1
    assert scores["oracle"].details["classes_half_removed"] == len(CLASSES)
    for name in ("permuted", "random"):
        assert made[name]["tpp_n2"] < made["oracle"]["tpp_n2"] - 0.2


def test_the_null_of_shuffled_classes(world, lm):
    null = run(world, lm, {"oracle": RandomLinear(features())})["oracle"].details["permutation_null"]["n2"]
    assert null["p"] < 0.02
    assert abs(null["mean"]) < 0.05
    # Every class is hit alike by every set: no deal is better than another.
    assert permutation_null([np.full((4, 4), 0.2)], 0)["p"] == 1.0


def test_brute_force_gives_the_same_drops_with_many_more_encodings(world, lm):
    """Every set of latents, every n, every class: encode, decode with the latents at zero, add the error, average."""
    dictionary = Counting(RandomLinear.draw(24, 40, offset=0.2, seed=5).rows, 0.2)
    planted, params = world
    bench = planted.bench(lm, params)
    scores = Tpp().run(subjects({"one": dictionary}), bench)["one"]
    once = sum(dictionary.seen)
    assert once == scores.cost["encoded_tokens"]
    dictionary.seen.clear()

    (data,) = sets_of(params, lm, 0)
    activations = planted.harvest(data.rows, "")
    made = with_probes(data, activations, "blocks.1.hook_resid_post", bench)
    biases = (made.scores - np.stack([mean_of(activations, t) for t in range(data.rows.n_rows)]) @ made.weights.T)[0]
    codes = code_means(dictionary, activations, 4, "cpu", torch.float32)
    gains = probe_gains(dictionary, made.weights)
    test = data.questions["test"]
    questions = [list(zip(texts, y, strict=True)) for texts, y in zip(test.texts, test.y, strict=True)]
    size = test.texts.shape[1] // 2
    dictionary.seen.clear()
    passes = 0
    for own, label in enumerate(data.classes):
        latents = strongest(effects(codes.means, data.questions["train"], own, gains), 500)
        curve = scores.details["sets"]["letters"]["curves"][label]
        for place, n in enumerate(N_VALUES):
            means: dict[int, np.ndarray] = {}
            for evaluated in range(len(data.classes)):
                passes += 1
                for text in test.texts[evaluated, :size]:
                    x = activations.block(text, text + 1)[0][torch.from_numpy(data.rows.mask[text])]
                    found = dictionary.encode(x)
                    error = x - dictionary.decode(found)
                    kept = found.ablate(torch.from_numpy(latents[:n].copy()))
                    means[text] = (dictionary.decode(kept) + error).double().mean(0).numpy()
            accuracy = [
                np.mean([(means[t] @ made.weights[c] + biases[c] > 0) == y for t, y in questions[c]])
                for c in range(len(data.classes))
            ]
            fallen = made.accuracy("test") - np.array(accuracy)
            assert curve["intended"][place] == pytest.approx(fallen[own], abs=1e-9)
            assert curve["unintended"][place] == pytest.approx(np.delete(fallen, own).mean(), abs=1e-9)
    assert passes == 175
    # The test texts are 40 % of what is encoded once: 35 times as many encodings of them, 14 times of all together.
    assert sum(dictionary.seen) == 35 * data.rows.mask[np.unique(test.texts)].sum()
    assert sum(dictionary.seen) > 10 * once


def mean_of(activations, text):
    return activations.block(text, text + 1)[0][torch.from_numpy(activations.mask[text])].double().mean(0).numpy()


def test_order_of_subjects_cache_batch_and_interruption_change_nothing(world, lm, tmp_path):
    dictionaries = {"a": RandomLinear.draw(24, 40, offset=0.2, seed=1), "b": RandomLinear(features())}
    reverse = dict(reversed(dictionaries.items()))
    cold = {name: values(one) for name, one in run(world, lm, dictionaries, folder=tmp_path).items()}
    warm = {name: values(one) for name, one in run(world, lm, reverse, folder=tmp_path).items()}
    assert cold == warm
    other = values(run(world, lm, {"a": dictionaries["a"]}, rows_per_block=1)["a"])
    assert {k: v for k, v in other.items() if v is not None} == pytest.approx(
        {k: v for k, v in cold["a"].items() if v is not None}, rel=1e-5
    )
    journal = MemoryJournal(left=1)
    with pytest.raises(KeyboardInterrupt):
        run(world, lm, dictionaries, journal=journal)
    resumed = run(world, lm, dictionaries, journal=journal)
    assert {name: values(one) for name, one in resumed.items()} == cold


def test_more_latents_than_there_are_and_no_atoms_are_undefined(world, lm):
    scores = run(world, lm, {"oracle": RandomLinear(features()), "mean": MeanOnly(torch.zeros(24))})
    made = summarise(Tpp.card, scores["oracle"])
    assert made["tpp_n20"].value is not None
    assert made["tpp_n50"].undefined == "the dictionary has 24 latents"
    assert {metric.value for metric in summarise(Tpp.card, scores["mean"]).values()} == {None}
    assert "not affine" in scores["mean"].undefined["tpp_n2"]


def test_sets_that_clean_probes_cannot_tell_apart_are_left_out_with_the_reason(lm, tmp_path):
    texts = [f"{label} text no {number} of it" for number in range(PER_CLASS) for label in CLASSES]
    path = write_table(tmp_path, "noise", [{"text": text, "label": text[0]} for text in texts], "")
    planted = Planted.of(texts, lambda text: {})
    dictionary = Counting(features())
    scores = run((planted, TppParams(sets=(str(path),))), lm, {"one": dictionary})["one"]
    assert not dictionary.seen
    assert "below 0.7" in scores.details["excluded"]["noise"]
    made = summarise(Tpp.card, scores)
    assert "no data set has classes that clean probes tell apart" in (made["tpp_n2"].undefined or "")


def test_probes_are_made_once_for_all_subjects_and_runs(world, lm, tmp_path, monkeypatch):
    run(world, lm, {"a": RandomLinear(features())}, folder=tmp_path)
    monkeypatch.setattr("saebench.tasks.tpp.task.fit_probe", None)
    run(world, lm, {"b": RandomLinear(features())}, folder=tmp_path)


def test_questions_are_balanced_fixed_and_share_no_text_on_both_sides():
    question = paired(100, 30, 5)
    for own in range(5):
        assert len(set(question.texts[own].tolist())) == 60
        label = (question.texts[own] - 100) // 30
        assert (label == own).tolist() == question.y[own].tolist()
        counts = np.bincount(label[~question.y[own]], minlength=5)
        assert sorted(counts.tolist()) in ([0, 7, 7, 8, 8],)


def test_half_of_the_knowledge_is_half_of_what_is_above_chance():
    half = first_half(np.array([0.9, 0.6, 0.5]), np.array([[0.1, 0.06, 0.0], [0.21, 0.02, 0.0]]))
    assert half.tolist() == [1, 0, -1]


def test_a_run_of_both_tasks_has_values_with_intervals_no_ranks_and_says_why(tmp_path, monkeypatch):
    """From a suite to the table, on a tiny model whose activations tell letters apart."""
    from saebench.report.comparing import compare_results
    from saebench.results.frame import Results
    from saebench.run.evaluate import Settings, run_suite

    monkeypatch.setenv("SAEBENCH_CACHE", str(tmp_path / "cache"))
    made = tiny_model("llama", n_layers=2, d_model=8)
    made.hf.save_pretrained(tmp_path / "model")
    made.tokenizer.save_pretrained(tmp_path / "model")
    rows = [
        {"text": f"{a * 9}{b * 9} {number}", "class": a + b, "first": a, "second": b}
        for number in range(PER_CLASS)
        for a in "ao"
        for b in "xz"
    ]
    classes = write_table(tmp_path, "classes", rows, "label: class\n")
    pairs = write_table(tmp_path, "pairs", rows, "first: first\nsecond: second\n")
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("\n".join(f'{{"text": "some words of a text no {number}"}}' for number in range(200)))
    part = f"source: {corpus}, context: 16"
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        f"""
name: means
version: 1
lm: {tmp_path / "model"}
site: blocks.0.hook_resid_post
data:
  eval: {{{part}, part: eval, documents: 8, tokens_per_document: 12}}
  fit: {{{part}, part: train, tokens: 400}}
tasks:
  - task: tpp@1
    params: {{sets: ["{classes}"], random_draws: 2}}
  - task: scr@1
    params: {{pairs: ["{pairs}"], random_draws: 2}}
defaults: {{l0: 3, d_dict: 32, rows_per_block: 4}}
controls: ["control:identity", "control:mean", "control:random", "baseline:pca"]
"""
    )
    outcome = run_suite([], str(suite), Settings(tmp_path / "results"))
    assert not outcome.failures
    values = {(one.task, one.subject.role or one.subject.architecture): one.metrics for one in outcome.records}
    for task, metric in (("tpp@1", "tpp_n5"), ("scr@1", "scr_n5")):
        for subject in ("identity", "random"):
            value = values[task, subject][metric]
            assert value.value is not None, (task, subject, value.undefined)
            assert value.low <= value.value <= value.high
        assert values[task, "mean"][metric].value is None
        assert "latents" in values[task, "identity"][metric.replace("n5", "n10")].undefined
    tables = compare_results(Results.of(outcome.records, tmp_path / "results"))
    assert {table.scope.task for table in tables} == {"tpp@1", "scr@1"}
    for table in tables:
        assert "unfit to rank" in table.unfit
        assert all(row.rank is None and row.letters == () for row in table.rows)
