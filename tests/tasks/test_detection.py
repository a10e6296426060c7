"""Truths about `detection@1`: planted concepts, controls, hard negatives, tokens, what is shared, bad input."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from planted import D, Planted, features, write_table
from sklearn.metrics import roc_auc_score

from saebench.activations.sets import ActivationSet
from saebench.audit import questions
from saebench.baselines.concepts.bow import Words
from saebench.baselines.concepts.caa import LastTokens
from saebench.baselines.concepts.diffmean import DiffMean
from saebench.baselines.concepts.direction import ConceptDirection, Projection
from saebench.baselines.concepts.permuted_labels import PermutedLabels
from saebench.baselines.concepts.probe import Probe
from saebench.baselines.concepts.random_direction import RandomDirection
from saebench.baselines.concepts.texts import ConceptTexts
from saebench.baselines.controls import PermutedDecoder
from saebench.baselines.oracle import Oracle
from saebench.data.concepts import Concept, Sizes, concepts
from saebench.data.read_concepts import read_concept
from saebench.dictionaries.contract import Provenance
from saebench.dictionaries.fakes import RandomLinear
from saebench.errors import DataError, UnknownName
from saebench.fakes import FakeConcept, FakeSubject, bench_of
from saebench.lm.fakes import tiny_model, tiny_tokenizer
from saebench.lm.model import load_model
from saebench.run.evaluate import Settings, run_suite
from saebench.tasks.detection.card import CARD, CONCEPTS, TEXTS
from saebench.tasks.detection.params import DetectionParams
from saebench.tasks.detection.scoring import AskedTexts, outcome
from saebench.tasks.detection.task import Detection
from saebench.tasks.summary import summarise

MARK = "q"
"""The letter that positives hold and others do not."""
SIZES = {"train_rows": 40, "test_rows": 30, "hard_rows": 6}


def sentences(seed: int, n: int = 200) -> list[dict[str, str]]:
    """Texts of letters; positives hold the mark. Words of positives stand in a fifth of the negatives too."""
    draw = random.Random(seed)
    rows = []
    for number in range(n):
        positive = number % 2 == 0
        words = ["".join(draw.choices("abcdefghijklm", k=4)) for _ in range(3)]
        if positive or number % 10 == 1:
            words.append("zzz")
        rows.append({"text": " ".join([*words, *([MARK] if positive else [])]), "label": "yes" if positive else "no"})
    return rows


@pytest.fixture
def planted_world(tmp_path: Path):
    """Paths of three concepts, and activations in which positives of all hold feature 0 on half of their tokens."""
    tables = {f"c{number}": sentences(number) for number in range(3)}
    paths = tuple(str(write_table(tmp_path, name, rows, "")) for name, rows in tables.items())
    texts = [row["text"] for rows in tables.values() for row in rows]
    return paths, Planted.of(texts, lambda text: {0: 5.0} if MARK in text else {})


def ran(planted_world, subjects: Sequence[object], folder: Path | None = None, **settings: object):
    paths, world = planted_world
    params = DetectionParams(concepts=paths, **{**SIZES, **settings})
    bench = world.bench(tiny_model("llama"), params, folder=folder)
    return Detection().run(subjects, bench), bench


def values(scores) -> dict[str, object]:
    return {name: one.value for name, one in summarise(CARD, scores).items()}


def test_a_planted_concept_is_detected_by_whoever_can_and_not_by_controls(planted_world):
    subjects = [
        FakeConcept(DiffMean(), "diffmean"),
        FakeConcept(Probe(), "probe"),
        FakeSubject(RandomLinear(features()), "truth"),
        FakeConcept(RandomDirection(), "random"),
        *(FakeConcept(PermutedLabels(seed=seed), f"permuted {seed}") for seed in range(12)),
    ]
    scores, bench = ran(planted_world, subjects)
    assert not bench.failures
    for name in ("diffmean", "probe", "truth"):
        found = values(scores[name])
        assert found["auroc_max"] > 0.99
        assert found["auroc_max_hard"] > 0.99
        assert found["hard_rejected"] > 0.9
    assert values(scores["truth"])["auroc_max"] == 1
    assert {fit["fit"]["latent"] for fit in scores["truth"].details["concepts"].values()} == {0}
    taught_nothing = {
        pooling: np.mean([values(scores[f"permuted {seed}"])[f"auroc_{pooling}"] for seed in range(12)])
        for pooling in ("max", "mean")
    }
    assert abs(taught_nothing["mean"] - 0.5) < 0.12
    # A largest token follows what raises some tokens and not what lowers them: with either sign alike, it gains.
    assert 0.5 < taught_nothing["max"] < 0.85
    assert values(scores["random"])["auroc_max"] < 1


def test_values_are_means_of_scikit_learns_auroc_over_concepts(planted_world):
    (scores, bench) = ran(planted_world, [FakeConcept(LastTokens(), "caa")])
    task = Detection()
    areas = []
    for one in task.concepts(bench.params, bench.lm, 0):
        stored = bench.harvest(one.rows, "any")
        train = ConceptTexts.of(stored, one.train, one.texts)
        last = train.flat[np.cumsum(train.counts) - 1].double()
        direction = last[one.y_train == 1].mean(0) - last[one.y_train == 0].mean(0)
        tokens = [stored.block(row, row + 1)[0][torch.from_numpy(one.rows.mask[row])].double() for row in one.test]
        areas.append([roc_auc_score(one.y_test, [fn(x @ direction) for x in tokens]) for fn in (torch.max, torch.mean)])
    found = values(scores["caa"])
    np.testing.assert_allclose([found["auroc_max"], found["auroc_mean"]], np.mean(areas, 0), atol=1e-9)
    free = np.mean(np.maximum(areas, 1 - np.array(areas)), 0)
    np.testing.assert_allclose([found["auroc_max_sign_free"], found["auroc_mean_sign_free"]], free, atol=1e-9)
    np.testing.assert_allclose(found["auroc_max_by_text"], found["auroc_max"], atol=1e-9)


def test_few_families_have_no_interval_but_their_texts_do(planted_world):
    scores, _ = ran(planted_world, [FakeConcept(DiffMean(), "a"), FakeConcept(RandomDirection(), "b")])
    metrics = summarise(CARD, scores["b"])
    assert metrics["auroc_max"].low is None
    assert "clusters" in metrics["auroc_max"].undefined
    assert metrics["auroc_max_by_text"].low < metrics["auroc_max_by_text"].value < metrics["auroc_max_by_text"].high
    for table in (CONCEPTS, TEXTS):
        assert scores["a"].tables[table].items == scores["b"].tables[table].items
        assert scores["a"].tables[table].clusters == scores["b"].tables[table].clusters


def test_hard_negatives_share_words_with_positives_and_are_neither_trained_on_nor_tested(planted_world):
    for one in concepts(planted_world[0], Sizes(40, 30, 6), 0):
        train, test, hard = (set(part.tolist()) for part in (one.train, one.test, one.hard))
        assert len(hard) >= 3
        assert not hard & (train | test)
        assert not train & test
        assert all("zzz" in one.texts[row] and MARK not in one.texts[row].split() for row in hard)
        assert one.y_train.mean() == one.y_test.mean() == 0.5


def test_without_hard_negatives_their_metrics_are_undefined_and_the_others_stay(planted_world):
    subjects = [FakeConcept(DiffMean(), "a")]
    with_hard, without = (ran(planted_world, subjects, hard_rows=rows)[0]["a"] for rows in (6, 0))
    metrics = summarise(CARD, without)
    for name in ("auroc_max_hard", "auroc_mean_hard", "hard_rejected"):
        assert metrics[name].value is None
        assert metrics[name].undefined == "no concept that counts has 3 hard negatives"
    assert metrics["auroc_max"].value == values(with_hard)["auroc_max"]
    assert metrics["auroc_token"].undefined == "no concept that counts has labels for words"


def test_a_permuted_dictionary_ties_with_the_one_that_it_permutes(planted_world):
    made = RandomLinear.draw(D, 30, offset=0.2, seed=4)
    scores, _ = ran(planted_world, [FakeSubject(made, "own"), FakeSubject(PermutedDecoder(made, 0), "permuted")])
    assert values(scores["own"]) == values(scores["permuted"])


def test_the_order_of_rows_in_a_file_does_not_matter(planted_world, tmp_path):
    subjects = [FakeConcept(DiffMean(), "a"), FakeSubject(RandomLinear.draw(D, 30, seed=4), "b")]
    before, _ = ran(planted_world, subjects)
    turned = tmp_path / "turned"
    turned.mkdir()
    paths = tuple(str(write_table(turned, f"c{n}", sentences(n)[::-1], "")) for n in range(3))
    after, _ = ran((paths, planted_world[1]), subjects)
    for name in ("a", "b"):
        assert values(after[name]) == values(before[name])


def test_texts_that_a_dictionary_was_trained_on_do_not_count(planted_world):
    (first, *_) = concepts(planted_world[0], Sizes(40, 30, 6), 0)
    trained = RandomLinear(features())
    trained.provenance = Provenance(documents=(first.hashes[0][0],))
    everywhere = RandomLinear(features())
    everywhere.provenance = Provenance(
        documents=tuple(hashes[0] for one in concepts(planted_world[0], Sizes(40, 30, 6), 0) for hashes in one.hashes)
    )
    scores, _ = ran(planted_world, [FakeSubject(trained, "one"), FakeSubject(everywhere, "all")])
    assert list(scores["one"].details["contaminated"]) == ["c0"]
    assert scores["one"].tables[CONCEPTS].columns["counted"].tolist() == [0, 1, 1]
    assert all(metric.value is None for metric in summarise(CARD, scores["all"]).values())


def test_fits_are_kept_for_whoever_asks_next(planted_world, tmp_path):
    fits = []

    class Counted(DiffMean):
        def fit(self, lesson):
            fits.append(lesson)
            return super().fit(lesson)

    first, second = (ran(planted_world, [FakeConcept(Counted(), "a")], tmp_path / "kept")[0] for _ in range(2))
    assert len(fits) == 3
    assert values(second["a"]) == values(first["a"])


def test_a_method_that_finds_nothing_fails_alone_and_the_concept_is_named(planted_world):
    paths, world = planted_world
    bench = world.bench(tiny_model("llama"), DetectionParams(concepts=paths, **SIZES))

    def at_rest(rows, site):
        return ActivationSet.from_tensor(torch.ones(rows.n_rows, rows.context, D), torch.from_numpy(rows.mask))

    bench.harvest = at_rest
    scores = Detection().run([FakeConcept(DiffMean(), "diffmean"), FakeConcept(Words(), "bow")], bench)
    assert list(scores) == ["bow"]
    assert bench.failures["diffmean"].message == (
        "concept 'c0': the difference of means has no direction: its length is 0"
    )
    assert summarise(CARD, scores["bow"])["auroc_max"].value > 0.9


def test_tokens_are_scored_where_labels_are_about_words():
    """Two test texts of three tokens; the marked token of the first one scores above four of the five others."""
    rows = concept_rows()
    x = torch.zeros(4, 4, 2)
    x[2, 1:, 0], x[3, 1:, 0] = torch.tensor([1.0, 4, 2]), torch.tensor([3.0, 5, 0])
    texts = ConceptTexts(x, torch.from_numpy(rows.rows.mask), torch.zeros(4, 4).long(), rows.texts, "site")
    asked = AskedTexts(texts.some(rows.train), texts.some(rows.test), None)
    direction = torch.tensor([1.0, 0])
    found = outcome(ConceptDirection(direction, 1, Projection(direction), None), rows, asked)
    assert found.measures["auroc_token"] == pytest.approx(4 / 5)
    assert found.measures["auroc_max"] == 0
    assert found.measures["auroc_max_sign_free"] == 1
    assert "auroc_max_hard" not in found.measures


def concept_rows():
    """A concept of words: the second letter of the third text bears it."""
    one = Concept(
        name="b",
        family="letters",
        licence="none",
        texts=("aba", "ccc", "dbd", "eee"),
        hashes=tuple((str(row),) for row in range(4)),
        train=np.array([0, 1]),
        y_train=np.array([1, 0]),
        test=np.array([2, 3]),
        y_test=np.array([1, 0]),
        hard=np.zeros(0, np.int64),
        spans=(((1, 2),), (), ((1, 2),), ()),
    )
    return read_concept(one, tiny_tokenizer(), tokenizer_hash="t", context=8)


def test_methods_and_dictionaries_stand_in_one_table_paired_by_concept(world):
    for number in range(2):
        write_table(Path(), f"c{number}", sentences(number), "")
    text = world.suite.read_text().replace(
        "  - task: reconstruction@1\n",
        "  - task: detection@1\n    params: {concepts: [c0.yaml, c1.yaml], train_rows: 24, test_rows: 16}\n",
    )
    suite = Path("suite.yaml")
    suite.write_text(text)
    subjects = ["baseline:diffmean", "baseline:bow", "baseline:lat", "control:random_direction", str(world.dictionary)]
    done = run_suite(subjects, str(suite), Settings(Path("results")))
    assert not done.failures
    kinds = {record.subject.name: record.subject.kind for record in done.records}
    assert {kinds[name] for name in ("diffmean", "bow", "lat", "random_direction")} == {"concept"}
    assert kinds["topk"] == kinds["pca-l0-4"] == "dictionary"
    again = run_suite(subjects, str(suite), Settings(Path("results")))
    assert (len(again.computed), len(again.skipped)) == (0, len(done.computed))
    fresh = run_suite(subjects, str(suite), Settings(Path("elsewhere"), cache=Path("cache").absolute()))
    for one, other in zip(done.records, fresh.records, strict=True):
        assert one.metrics == other.metrics
    bow = next(record for record in done.records if record.subject.name == "bow")
    assert bow.metrics["auroc_token"].undefined == "no concept that counts has labels for words"


def test_what_cannot_be_asked_is_said_before_anything_is_computed(world, tmp_path):
    task, lm = Detection(), tiny_model("llama")
    path = str(write_table(tmp_path, "c0", sentences(0), ""))
    for names, error, words in (
        (("96_spam_iss",), UnknownName, "did you mean 96_spam_is"),
        ((f"{path}: maybe",), UnknownName, "unknown class of c0 'maybe'"),
        (("mention:weekdays",), UnknownName, "did you mean weekday"),
        ((path, path), DataError, "two concepts are called 'c0'"),
        (("axbench:nowhere",), DataError, r"train_data.parquet.*no such file"),
    ):
        with pytest.raises(error, match=words):
            task.data(DetectionParams(concepts=names, **SIZES), lm, 0)


def test_in_a_synthetic_world_the_oracle_knows_every_concept_and_is_above_the_rest(tmp_path, monkeypatch):
    for name, value in (("POOL", 4096), ("ROWS", 60), ("PROBED", 6)):
        monkeypatch.setattr(questions, name, value)
    lm = load_model("synthetic:tiny")
    bench = bench_of(lm, DetectionParams(**questions.questions_for("detection@1", lm.world, tmp_path)))
    subjects = [
        FakeSubject(Oracle.of(lm.world), "oracle", site="features"),
        FakeConcept(DiffMean(), "diffmean", site="features"),
        FakeConcept(Probe(), "probe", site="features"),
        FakeSubject(RandomLinear.draw(lm.d_model, 64), "random", site="features"),
    ]
    found = {name: values(one)["auroc_max"] for name, one in Detection().run(subjects, bench).items()}
    assert found["oracle"] == 1
    assert min(found["diffmean"], found["probe"]) > 0.95 > found["random"]
