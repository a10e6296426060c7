"""`capability@1` on tiny models that know the answers to questions read off them."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import lm_eval
import numpy as np
import pytest
import torch
import yaml
from lm_eval.api.task import ConfigurableTask
from quiz_world import as_set, known, random_questions

from saebench.answers.examination import examine
from saebench.api import evaluate
from saebench.baselines.controls import Identity, MeanOnly, RandomDictionary
from saebench.data.questions import Question, lm_eval_tasks
from saebench.dictionaries.contract import Traits
from saebench.errors import DataError
from saebench.fakes import SITE, FakeSubject, bench_of
from saebench.lm.fakes import tiny_model
from saebench.lm.lm_eval_model import SplicedLM
from saebench.lm.model import load_model
from saebench.tasks.capability.card import CARD, QUESTIONS
from saebench.tasks.capability.task import Capability, CapabilityParams
from saebench.tasks.summary import summarise

WIDTH = 16
PARAMS = CapabilityParams(sets=("first", "second"), questions=60)


@pytest.fixture(scope="module")
def lm():
    return tiny_model()


@pytest.fixture
def sets(lm, monkeypatch):
    """Two sets, of which the model knows five answers in six."""
    made = {
        name: as_set(name, known(random_questions(60, seed), lm, wrong_every=6))
        for seed, name in enumerate(("first", "second"))
    }
    monkeypatch.setattr("saebench.tasks.capability.task.question_set", lambda name: made[name])
    return made


def controls():
    mean = torch.zeros(WIDTH)
    return {
        "identity": Identity(WIDTH),
        "mean": MeanOnly(mean),
        "random": RandomDictionary(WIDTH, 32, 4, 0, mean),
        "close": RandomDictionary(WIDTH, 64, 32, 0, mean),
    }


def run(lm, made, **more):
    bench = bench_of(lm, PARAMS, **more)
    subjects = [FakeSubject(one, name, name=name) for name, one in made.items()]
    return Capability().run(subjects, bench), bench


def values(scores):
    return {name: one.value for name, one in summarise(CARD, scores).items()}


def test_controls_stand_in_their_order(lm, sets):
    scores, bench = run(lm, controls())
    assert not bench.failures
    made = {name: values(one) for name, one in scores.items()}
    assert made["identity"]["capability_kept"] == 1.0
    assert made["identity"]["accuracy_change"] == 0.0
    assert made["identity"]["log_odds_change"] == 0.0
    assert made["identity"]["answers_changed"] == 0.0
    assert made["identity"]["accuracy_clean"] == pytest.approx(5 / 6)
    for metric in ("capability_kept", "log_odds_change"):
        assert made["identity"][metric] > made["close"][metric] > made["random"][metric]
        assert made["close"][metric] > made["mean"][metric]
    # A constant site leaves what choices are worth by themselves, whatever the question.
    assert made["mean"]["capability_kept"] < 0.8


def test_a_change_is_the_difference_of_both_accuracies_with_an_interval_of_its_own(lm, sets):
    scores, _ = run(lm, {"random": controls()["random"]})
    made = summarise(CARD, scores["random"])
    value = {name: one.value for name, one in made.items()}
    assert value["accuracy_change"] == pytest.approx(value["accuracy"] - value["accuracy_clean"])
    kept = (value["accuracy"] - 0.25) / (value["accuracy_clean"] - 0.25)
    assert value["capability_kept"] == pytest.approx(kept)
    assert made["accuracy_change"].low < value["accuracy_change"] < made["accuracy_change"].high
    assert made["accuracy"].n == 120


def test_sets_count_alike_whatever_their_size(lm, sets, monkeypatch):
    sets["second"] = as_set("second", list(sets["second"].questions[:15]))
    scores, _ = run(lm, {"random": controls()["random"]})
    weight = scores["random"].tables[QUESTIONS].columns["weight"]
    assert weight[:60].sum() == pytest.approx(weight[60:].sum()) == pytest.approx(0.5)
    own = scores["random"].details["sets"]
    mean = np.mean([own[name]["accuracy"] for name in ("first", "second")])
    assert values(scores["random"])["accuracy"] == pytest.approx(mean)


def test_what_a_model_does_not_know_it_cannot_keep(lm, monkeypatch):
    unknown = as_set("first", random_questions(60, 3))
    monkeypatch.setattr("saebench.tasks.capability.task.question_set", lambda name: unknown)
    scores, _ = run(lm, {"identity": Identity(WIDTH)})
    made = summarise(CARD, scores["identity"])
    assert made["capability_kept"].value is None
    assert "not clearly more than chance" in str(made["capability_kept"].undefined)
    assert made["accuracy_change"].value == 0.0


def test_company_order_and_a_warm_cache_change_nothing(lm, sets, tmp_path):
    made = controls()
    alone, _ = run(lm, {"random": made["random"]}, folder=tmp_path / "cold")
    together, _ = run(lm, made, folder=tmp_path / "other")
    warm, _ = run(lm, dict(reversed(made.items())), folder=tmp_path / "other")
    for name, column in alone["random"].tables[QUESTIONS].columns.items():
        assert np.array_equal(column, together["random"].tables[QUESTIONS].columns[name]), name
        assert np.array_equal(column, warm["random"].tables[QUESTIONS].columns[name]), name


class Sequential(Identity):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.traits = Traits(signed=True, sequence_coupled=True)


class Exploding(Identity):
    def decode(self, codes, x=None):
        return codes.dense() / 0.0


def test_a_subject_that_cannot_be_served_says_why_and_leaves_the_others_alone(lm, sets):
    made = {
        "sequences": Sequential(WIDTH),
        "exploding": Exploding(WIDTH),
        "lost": ValueError("boom"),
        "good": Identity(WIDTH),
    }
    scores, bench = run(lm, made)
    assert list(scores) == ["good"]
    assert "token by token" in bench.failures["sequences"].message
    assert "NaN or an infinity" in bench.failures["exploding"].message
    assert "boom" in bench.failures["lost"].message


def test_identity_follows_the_questions(lm, sets):
    first = Capability().data(PARAMS, lm, 0)
    assert [one.part for one in first] == ["first", "second"]
    assert Capability().data(PARAMS.model_copy(update={"context": 60}), lm, 0)[0].documents == 60
    fewer = Capability().data(PARAMS.model_copy(update={"questions": 20}), lm, 0)
    assert fewer[0].fingerprint != first[0].fingerprint
    assert Capability().data(PARAMS.model_copy(update={"questions": 20}), lm, 1)[0] != fewer[0]


def test_a_choice_that_adds_nothing_is_named(lm, monkeypatch):
    empty = as_set("first", [Question("a", (("what", ""), ("what", " b")), 0)])
    monkeypatch.setattr("saebench.tasks.capability.task.question_set", lambda name: empty)
    with pytest.raises(DataError, match="adds no token"):
        Capability().data(PARAMS, lm, 0)


def letters_task(questions: list[Question]) -> ConfigurableTask:
    """The questions as an lm-eval task."""
    rows = [
        {"id": one.id, "text": one.pairs[0][0], "choices": [after[1:] for _, after in one.pairs], "right": one.answer}
        for one in questions
    ]
    return ConfigurableTask(
        config={
            "task": "letters",
            "custom_dataset": lambda **_: {"test": datasets.Dataset.from_list(rows)},
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": "text",
            "doc_to_choice": "choices",
            "doc_to_target": "right",
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        }
    )


def accuracy_of_lm_eval(model: SplicedLM, task: ConfigurableTask, places: list[int]) -> float:
    """Its `acc` on some documents of a task."""
    name = task.config.task
    made = lm_eval.evaluate(model, {name: task}, samples={name: places}, bootstrap_iters=0)
    return float(made["results"][name]["acc,none"])


def test_the_score_is_that_of_lm_eval_on_the_spliced_model(lm, monkeypatch):
    task = letters_task(known(random_questions(60, 0), lm, wrong_every=4))
    monkeypatch.setattr("saebench.data.questions.lm_eval_tasks", lambda name, progress: [task])
    params = CapabilityParams(sets=("letters",), questions=60)
    made = controls()["random"]
    scores = Capability().run([FakeSubject(made, "random")], bench_of(lm, params))["random"]
    for splice, metric in ((None, "accuracy_clean"), ((SITE, lambda x: made.decode(made.encode(x))), "accuracy")):
        model = SplicedLM(lm, splice=splice, begin_of_text=True)
        assert values(scores)[metric] == pytest.approx(accuracy_of_lm_eval(model, task, list(range(60))))


def test_a_suite_stores_a_result_with_the_questions_as_its_data(world, monkeypatch, tmp_path):
    """Plan, identity, journal and files: from a suite to results on disk, and nothing left to do the second time."""
    lm = load_model(str(world.model))
    held = as_set("first", known(random_questions(40, 0), lm))
    monkeypatch.setattr("saebench.tasks.capability.task.question_set", lambda name: held)
    suite = tmp_path / "capability.yaml"
    spec = yaml.safe_load(world.suite.read_text())
    spec |= {"tasks": [{"task": "capability@1", "params": {"sets": ["first"]}}], "controls": ["control:identity"]}
    suite.write_text(yaml.safe_dump(spec))
    for _ in range(2):
        evaluate([str(world.dictionary)], str(suite), out=tmp_path / "results")
    files = sorted((tmp_path / "results").glob("*/capability@1/*.json"))
    assert len(files) == 2
    by_name = {record["subject"]["name"]: record for record in map(json.loads, map(Path.read_text, files))}
    assert by_name["identity"]["metrics"]["accuracy_change"]["value"] == 0.0
    assert by_name["topk"]["metrics"]["capability_kept"]["value"] < 1.0
    assert by_name["topk"]["data"][0]["licence"] == "none needed"


@pytest.mark.slow
def test_the_packaged_model_scores_as_lm_eval_says_on_packaged_questions():
    """Twenty-four questions of SciQ through a random dictionary."""
    lm = load_model("smollm2-135m-instruct")
    site = "blocks.9.hook_resid_post"
    params = CapabilityParams(sets=("saebench_sciq",), questions=24)
    task = Capability()
    (asked,) = task.asked(params, lm, 0)
    bench = bench_of(lm, params)
    middle = examine(bench, asked, site).acts[site].mean(0)
    made = RandomDictionary(lm.d_model, 2048, 32, 0, middle)
    scores = task.run([FakeSubject(made, "random", site=site)], bench)["random"]
    (theirs,) = lm_eval_tasks("saebench_sciq")
    place = {doc["id"]: number for number, doc in enumerate(theirs.eval_docs)}
    places = sorted(place[question.id] for question in asked.questions)
    model = SplicedLM(lm, splice=(site, lambda x: made.decode(made.encode(x))), begin_of_text=True)
    assert values(scores)["accuracy"] == pytest.approx(accuracy_of_lm_eval(model, theirs, places))
