"""`unlearning@1` on a tiny model whose topic is written in letters of its own, with a latent for each letter."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import yaml
from quiz_world import as_set, random_questions

from saebench.answers.examination import answered, examine
from saebench.answers.rows import asked_rows
from saebench.api import evaluate
from saebench.baselines.concepts.bow import Words
from saebench.baselines.concepts.diffmean import DiffMean
from saebench.baselines.controls import Identity, MeanOnly, PermutedDecoder, RandomDictionary
from saebench.dictionaries.codes import Codes, compact
from saebench.dictionaries.contract import Context, Traits
from saebench.dictionaries.fixed import FixedDictionary
from saebench.errors import DataError
from saebench.fakes import FakeConcept, FakeSubject, bench_of
from saebench.lm.fakes import tiny_model
from saebench.lm.hashes import state_hash
from saebench.tasks.summary import summarise
from saebench.tasks.unlearning.card import CARD, QUESTIONS
from saebench.tasks.unlearning.curve import BUDGETS, Tried, area_columns, choose, damage
from saebench.tasks.unlearning.edits import DirectionEdits, LatentEdits, Latents
from saebench.tasks.unlearning.material import KINDS, material
from saebench.tasks.unlearning.params import UnlearningParams
from saebench.tasks.unlearning.task import Unlearning

SITE = "blocks.0.hook_resid_pre"
WIDTH = 16
SHARED, TOPIC, OTHER = "etaoin", "shrdlc", "umwfgy"
"""Letters of both sides, of the topic's questions alone, of the other questions and prose alone."""


@dataclass(eq=False)
class Letters(FixedDictionary):
    """At the embedding: latent i is active, with value 1, on token i; its atom is that token's embedding."""

    kind: ClassVar[str] = "letters"
    rows: torch.Tensor

    def __post_init__(self) -> None:
        self.describe(self.rows.shape[1], self.rows.shape[0])
        self.traits = Traits()

    def encode(self, x: torch.Tensor, context: Context | None = None) -> Codes:
        near = torch.cdist(x.double(), self.rows.double()).argmin(1)
        return compact(torch.nn.functional.one_hot(near, self.d_dict).to(x.dtype))

    def decode(self, codes: Codes, x: torch.Tensor | None = None) -> torch.Tensor:
        return codes.project(self.rows)

    @property
    def atoms(self) -> torch.Tensor:
        return self.rows


@pytest.fixture(scope="module")
def lm():
    return tiny_model()


@pytest.fixture(scope="module")
def letters(lm):
    return Letters(lm.hf.get_input_embeddings().weight.detach().clone())


@pytest.fixture(scope="module")
def sets(lm):
    """The topic and the rest, sixty questions each, all of which the model knows."""
    made = {}
    for seed, (name, own) in enumerate((("topic", TOPIC), ("rest", OTHER))):
        questions = random_questions(60, seed, letters=SHARED + own)
        asked = asked_rows(questions, lm, context=64, most=60, name=name, licence="none")
        said = answered(examine(bench_of(lm), asked, SITE).clean, asked)
        made[name] = as_set(
            name, [type(one)(one.id, one.pairs, int(answer)) for one, answer in zip(questions, said, strict=True)]
        )
    return made


@pytest.fixture
def params(sets, tmp_path, monkeypatch):
    monkeypatch.setattr("saebench.tasks.unlearning.material.question_set", lambda name: sets[name])
    draw = np.random.default_rng(0)
    prose = tmp_path / "prose.jsonl"
    words = ["".join(draw.choice(list(SHARED + OTHER), 5)) for _ in range(1200)]
    prose.write_text("".join(json.dumps({"text": " ".join(words[12 * n : 12 * n + 12])}) + "\n" for n in range(100)))
    return UnlearningParams(
        forget=("topic",),
        retain=("rest",),
        prose=str(prose),
        questions=44,
        texts=16,
        text_context=48,
        prose_documents=4,
        latents=(3, 6),
        clamps=(0.0, 4.0),
        steps=(1, 2),
        rate=0.01,
    )


def run(lm, params, made: dict[str, Any], **more):
    bench = bench_of(lm, params, **more)
    subjects = [
        one if isinstance(one, FakeConcept) else FakeSubject(one, name, site=SITE, name=name)
        for name, one in made.items()
    ]
    return Unlearning().run(subjects, bench), bench


def values(scores):
    return {name: one.value for name, one in summarise(CARD, scores).items()}


def test_controls_stand_in_their_order(lm, letters, params):
    mean = torch.zeros(WIDTH)
    made = {
        "letters": letters,
        "identity": Identity(WIDTH),
        "mean": MeanOnly(mean),
        "random": RandomDictionary(WIDTH, 64, 8, 0, mean),
        "permuted": PermutedDecoder(letters, 0),
        "diffmean": FakeConcept(DiffMean(), "diffmean", site=SITE),
    }
    scores, bench = run(lm, params, made)
    assert not bench.failures
    found = {name: values(one) for name, one in scores.items()}
    assert found["letters"]["area"] > 0.3
    assert found["letters"]["area"] > found["random"]["area"]
    assert found["letters"]["area_above_random"] > 0
    assert found["letters"]["lost_at_5"] == found["letters"]["lost_at_20"] == 0.0
    for nothing in ("identity", "mean"):
        assert found[nothing]["area"] == found[nothing]["area_random"] == found[nothing]["forgotten_at_5"] == 0.0
        assert found[nothing]["prose_loss_change"] == 0.0
    assert len({one["area_weights"] for one in found.values()}) == 1
    # The same codes mark the topic's tokens, whatever is then written there: what is selective is where, not what.
    assert found["permuted"]["lost_at_20"] == 0.0


def test_the_topics_letters_are_found_and_only_they(lm, letters, params):
    scores, _ = run(lm, params, {"letters": letters})
    details = scores["letters"].details
    own = set(lm.tokenizer.convert_tokens_to_ids(list(TOPIC)))
    assert {one["latent"] for one in details["latents"]} == own
    assert details["topic_latents"] == {"ratio 2": len(own), "ratio 4": len(own)}
    assert details["questions"]["forget"] == {
        "asked": 30, "right": 1.0, "chance": 0.25, "validation": 15, "test": 15,
    }  # fmt: skip
    assert details["texts"] == {"forget": 16, "retain": 16, "prose": 16}
    curve = details["curve"]
    assert [point["budget"] for point in curve] == list(BUDGETS)
    assert all(point["lost_validation"] <= point["budget"] for point in curve)
    promised = [point["forgotten_validation"] for point in curve]
    assert promised == sorted(promised)


def test_the_area_is_the_mean_over_budgets_of_forgotten_less_lost(lm, letters, params):
    scores, _ = run(lm, params, {"letters": letters})
    curve = scores["letters"].details["curve"]
    mean = np.mean([point["forgotten"] - point["lost"] for point in curve])
    assert values(scores["letters"])["area"] == pytest.approx(mean)
    made = summarise(CARD, scores["letters"])
    assert made["area"].low < made["area"].value < made["area"].high
    assert made["area"].n == 30


def test_questions_are_asked_reported_or_read_and_never_two_of_these(lm, params, sets):
    held = material(params, lm, 0)
    for side, name in ((held.forget, "topic"), (held.retain, "rest")):
        asked = {one.id for one in side.asked.questions}
        assert len(asked) == 30
        assert side.test.sum() == 15
        texts = {one.answered for one in sets[name].questions if one.id in asked}
        assert not texts & set(side.texts)
    other = material(params, lm, 1)
    assert {one.id for one in other.forget.asked.questions} != {one.id for one in held.forget.asked.questions}
    assert (held.kinds == KINDS.index("prose")).sum() == 16


def test_the_model_is_as_it_was_though_a_copy_of_it_is_trained(lm, letters, params):
    before = state_hash(lm.hf.state_dict())
    scores, _ = run(lm, params, {"letters": letters})
    assert state_hash(lm.hf.state_dict()) == before
    assert all(one.grad is None and not one.requires_grad for one in lm.hf.parameters())
    curve = scores["letters"].details["curve_weights"]
    assert {point["configuration"]["state"] for point in curve} <= {0, 1, 2}


def test_company_order_and_a_warm_cache_change_nothing(lm, letters, params, tmp_path):
    made = {"letters": letters, "random": RandomDictionary(WIDTH, 64, 8, 0, torch.zeros(WIDTH))}
    alone, _ = run(lm, params, {"letters": letters}, folder=tmp_path / "cold")
    together, _ = run(lm, params, made, folder=tmp_path / "other")
    warm, _ = run(lm, params, dict(reversed(made.items())), folder=tmp_path / "other")
    for name, column in alone["letters"].tables[QUESTIONS].columns.items():
        assert np.array_equal(column, together["letters"].tables[QUESTIONS].columns[name]), name
        assert np.array_equal(column, warm["letters"].tables[QUESTIONS].columns[name]), name


class Exploding(Letters):
    def decode(self, codes, x=None):
        return super().decode(codes) / 0.0


class Sequential(Letters):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.traits = Traits(sequence_coupled=True)


def test_a_subject_that_cannot_be_served_says_why_and_leaves_the_others_alone(lm, letters, params):
    made = {
        "sequences": Sequential(letters.rows),
        "exploding": Exploding(letters.rows),
        "words": FakeConcept(Words(), "words", site=SITE),
        "good": letters,
    }
    scores, bench = run(lm, params, made)
    assert list(scores) == ["good"]
    assert "token by token" in bench.failures["sequences"].message
    assert "NaN or an infinity" in bench.failures["exploding"].message
    assert "no direction" in bench.failures["words"].message


def test_a_model_that_knows_too_little_has_no_score(lm, letters, params):
    strict = params.model_copy(update={"least_known": 40})
    scores, _ = run(lm, strict, {"letters": letters})
    made = summarise(CARD, scores["letters"])
    assert all(one.value is None for one in made.values())
    assert "fewer than 40" in str(made["area"].undefined)


def test_a_question_on_both_sides_is_refused(lm, params):
    with pytest.raises(DataError, match="60 questions stand in topic and in topic"):
        material(params.model_copy(update={"retain": ("topic",)}), lm, 0)


def arrays(means: list[float]) -> np.ndarray:
    """Rows of a thousand zeros and ones with these means."""
    return (np.arange(1000) < 1000 * np.array(means)[:, None]).astype(float)


def test_the_peers_example_is_chosen_as_it_chooses():
    """Accuracies .60, .55, .30, .45, side effects .999, .995, .98, .991: at .01 it takes .45, at .02 it takes .30."""
    forgotten, lost = arrays([0, 0.4, 0.45, 0.7, 0.55]), arrays([0, 0.001, 0.005, 0.02, 0.009])
    made = choose(forgotten, lost)
    assert made[0] == 4
    assert set(made[1:]) == {3}
    assert choose(forgotten, arrays([0, 0.3, 0.3, 0.3, 0.3])) == [0] * len(BUDGETS)


def test_what_the_area_is_worth_at_its_corners():
    chance = np.full(400, 0.25)
    drawn = np.arange(400) % 4 == 0
    assert damage(drawn, chance).mean() == pytest.approx(1.0)
    gone, kept = damage(drawn, chance), np.zeros(100)
    assert area_columns(gone, kept).mean() == pytest.approx(1.0)
    assert area_columns(np.zeros(400), kept).mean() == 0.0
    assert area_columns(gone, gone[:100]).mean() == pytest.approx(0.0)


def test_a_configuration_that_only_looks_good_on_validation_questions_gains_nothing():
    """Test questions are not what is chosen on: a lucky configuration is reported as it then does."""
    validation, test = arrays([0, 0.9, 0.2]), arrays([0, 0.1, 0.8])
    made = Tried(validation, arrays([0, 0, 0]), test, arrays([0, 0.3, 0]))
    forgotten, lost = made.averaged()
    assert forgotten.mean() == pytest.approx(0.1)
    assert area_columns(forgotten, lost).mean() == pytest.approx(-0.2)


def test_latents_are_set_where_they_are_active_and_the_error_stays(letters):
    x = letters.rows[[5, 9, 5, 7]] + 0.01
    nothing = Latents(np.array([], np.int64), np.array([]), {})
    edit = Latents(np.array([5, 7]), np.array([0.0, -2.0]), {})
    plain, edited = LatentEdits(letters, [nothing, edit]).edited(x, [0, 1])
    assert torch.equal(plain, x)
    wanted = x.clone()
    wanted[[0, 2]] -= letters.rows[5]
    wanted[3] -= 3 * letters.rows[7]
    assert torch.allclose(edited, wanted, atol=1e-6)
    assert torch.equal(edited[1], x[1])


def test_strength_one_projects_a_direction_out():
    x = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    w = torch.nn.functional.normalize(torch.arange(8.0), dim=0)
    plain, out, beyond = DirectionEdits(w, 0.3, (1.0, 2.0)).edited(x, [0, 1, 2])
    assert torch.equal(plain, x)
    assert torch.allclose(out @ w, torch.full((20,), 0.3), atol=1e-6)
    assert torch.allclose(out - (out @ w)[:, None] * w, x - (x @ w)[:, None] * w, atol=1e-6)
    assert torch.allclose(beyond @ w, 0.6 - x @ w, atol=1e-5)


def test_a_suite_stores_results_of_dictionaries_and_of_concept_methods(world, monkeypatch, params, sets, tmp_path):
    """Plan, identity, journal and files: from a suite to results on disk. The world's model is the one that knows."""
    suite = tmp_path / "unlearning.yaml"
    spec = yaml.safe_load(world.suite.read_text())
    own = params.model_dump(mode="json") | {"least_known": 2}
    spec |= {"tasks": [{"task": "unlearning@1", "params": own}], "controls": ["baseline:diffmean", "control:identity"]}
    suite.write_text(yaml.safe_dump(spec))
    for _ in range(2):
        evaluate([str(world.dictionary)], str(suite), out=tmp_path / "results")
    files = sorted((tmp_path / "results").glob("*/unlearning@1/*.json"))
    by_name = {record["subject"]["name"]: record for record in map(json.loads, map(Path.read_text, files))}
    assert set(by_name) == {"topk", "diffmean", "identity"}
    assert by_name["identity"]["metrics"]["area"]["value"] == 0.0
    assert by_name["diffmean"]["subject"]["kind"] == "concept"
    parts = [one["part"] for one in by_name["topk"]["data"]]
    assert parts == ["forget", "retain", "corpora", "held-out prose"]
