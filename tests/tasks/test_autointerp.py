"""Truths about `autointerp@1`: judges of known wit over real HTTP, and latents that stand for letters."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from letters import ALWAYS, LETTERS, SELDOM, Letters, LetterWorld, asked, knowing, metrics, recorded, saying, values

from saebench.baselines.controls import MeanOnly, PermutedDecoder
from saebench.errors import ConfigError, DataError
from saebench.fakes import FakeSubject, bench_of
from saebench.judges import Message, endpoint
from saebench.judges.fakes import fake_endpoint
from saebench.lm.synthetic.model import SyntheticModel
from saebench.lm.synthetic.presets import preset
from saebench.lm.synthetic.world import World as SyntheticWorld
from saebench.results.store import ResultStore
from saebench.run.evaluate import Settings, plan_suite, run_suite
from saebench.tasks.autointerp.params import AutointerpParams
from saebench.tasks.autointerp.task import Autointerp

SCORES = ("detection", "detection_accuracy", "fuzzing", "fuzzing_accuracy")


@pytest.fixture(scope="module")
def letters():
    return LetterWorld()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path) -> Path:
    monkeypatch.setattr(endpoint, "FIRST_WAIT_S", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("SAEBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SAEBENCH_JUDGE", raising=False)
    return tmp_path / "cache"


def one(letters, judge, dictionary=None, **settings):
    (scores,) = letters.scores([dictionary or letters.letters()], judge, **settings)
    return scores


def test_a_judge_that_knows_scores_1_and_by_chance_with_explanations_of_others(letters):
    with fake_endpoint(knowing) as server:
        scores = one(letters, server.judge, latents=26)
    made = values(scores)
    assert [made[name] for name in SCORES] == [1, 1, 1, 1]
    assert made["unread"] == made["unanswered"] == 0
    # Another letter stands in a window or not, whatever the latent does there; marks are never on it.
    assert made["detection_shuffled"] == pytest.approx(0.5, abs=0.1)
    assert made["fuzzing_shuffled"] == pytest.approx(0.5, abs=0.05)
    assert made["detection_gain"] == pytest.approx(1 - made["detection_shuffled"])
    told = {row["latent"]: row["explanation"] for row in scores.details["latents"]}
    assert told == {latent: f"the letter {letter}" for latent, letter in enumerate(LETTERS)}
    assert metrics(scores)["detection"].n == 26


def test_a_judge_that_always_says_none_scores_ten_fourteenths_and_half_when_balanced(letters):
    with fake_endpoint(saying("None")) as server:
        made = values(one(letters, server.judge))
    for test in ("detection", "fuzzing"):
        for ending in ("", "_shuffled"):
            assert made[f"{test}_accuracy{ending}"] == pytest.approx(10 / 14)
            assert made[f"{test}{ending}"] == pytest.approx(0.5)
        assert made[f"{test}_gain"] == 0
    assert made["null_accuracy"] == pytest.approx(10 / 14)


def test_a_judge_that_names_everything_is_no_better_when_balanced(letters):
    with fake_endpoint(saying(", ".join(map(str, range(1, 15))))) as server:
        made = values(one(letters, server.judge))
    assert made["detection_accuracy"] == pytest.approx(4 / 14)
    assert made["detection"] == pytest.approx(0.5)


def test_nonsense_is_asked_again_and_then_undefined_with_its_count(letters):
    with fake_endpoint(saying("The excerpts are about life.")) as server:
        scores = one(letters, server.judge)
        kinds = [asked([Message(**one) for one in request["messages"]]) for request in server.requests]
    made = metrics(scores)
    for name in (*SCORES, "detection_shuffled", "fuzzing_gain"):
        assert made[name].value is None
        assert made[name].undefined == "none of 12 answers can be read"
    assert made["unread"].value == pytest.approx(4 / 5)
    # Twelve explanations, and each of 48 scores once more; equal questions are asked once.
    assert kinds.count("explain") == 12
    assert len(kinds) == 12 + 2 * 48


def test_latents_whose_answers_cannot_be_read_are_counted_and_not_dropped(letters):
    def mumbles(messages):
        return "well" if "letter a" in messages[1].content or "letter b" in messages[1].content else knowing(messages)

    with fake_endpoint(mumbles) as server:
        scores = one(letters, server.judge, latents=26)
    made = metrics(scores)
    assert made["detection"].n == 26
    # Two of 26 explanations say nothing to the judge, wherever they are used: their latents score as if it named none.
    assert made["detection"].value == pytest.approx((24 + 2 * 0.5) / 26)
    assert made["detection_accuracy"].value == pytest.approx((24 + 2 * 10 / 14) / 26)
    assert made["unread"].value == pytest.approx(8 / 130)


def test_a_reminder_is_heeded(letters):
    def at_second(messages):
        return knowing(messages) if asked(messages) == "explain" or len(messages) > 2 else "let me think"

    with fake_endpoint(at_second) as server:
        scores = one(letters, server.judge)
    assert values(scores)["fuzzing"] == 1
    assert values(scores)["unread"] == 0


def test_rate_limits_that_pass_leave_no_trace(letters, cache):
    with fake_endpoint(knowing) as server:
        calm = one(letters, server.judge)
    recorded(cache).unlink()
    seen = set()

    def limited(messages):
        key = str(messages)
        return knowing(messages) if key in seen else seen.add(key) or 429

    with fake_endpoint(limited) as server:
        assert values(one(letters, server.judge)) == values(calm)


@pytest.mark.parametrize(("reply", "why"), [(500, "status 500"), (None, "timed out")])
def test_a_judge_that_never_answers_is_undefined_with_the_count(letters, reply, why):
    def never(messages):
        return reply or time.sleep(0.5) or "late"

    with fake_endpoint(never) as server:
        scores = one(letters, f"{server.judge}?attempts=2&timeout=0.1&parallel=6")
    made = metrics(scores)
    for name in (*SCORES, "detection_shuffled", "detection_gain", "unread"):
        assert made[name].value is None
        assert made[name].undefined.startswith("12 of 12 questions have no answer")
    assert why in made["detection"].undefined
    assert made["unanswered"].value == 1
    assert sum(scores.details["failures"].values()) == 12


def test_questions_without_an_answer_have_no_weight_and_are_counted(letters):
    def moody(messages):
        return 500 if asked(messages) == "fuzz" and "letter c" in messages[1].content else knowing(messages)

    with fake_endpoint(moody) as server:
        scores = one(letters, f"{server.judge}?attempts=1", latents=26)
    made = metrics(scores)
    assert made["fuzzing"].value == 1
    assert scores.tables["latents"].columns["fuzzing_own_answered"].sum() == 25
    assert made["unanswered"].value == pytest.approx(2 / 130)
    assert scores.details["failures"] == {"status 500": 2}


def test_a_replay_gives_identical_scores_with_the_server_off(letters, cache):
    def moody(messages):
        return 500 if "letter c" in messages[1].content else knowing(messages)

    with fake_endpoint(moody) as server:
        named = f"{server.judge}?attempts=1"
        live = one(letters, named)
    name = f"replay:{recorded(cache)}"
    again = one(letters, name)
    assert values(again) == values(live)
    assert again.details == live.details
    assert all(
        np.array_equal(column, live.tables["latents"].columns[key])
        for key, column in again.tables["latents"].columns.items()
    )
    identity = [AutointerpParams(judge=judge).model_dump(mode="json") for judge in (named, name)]
    assert identity[0] == identity[1]


def test_a_replay_of_another_run_is_a_failure_that_says_so(letters, cache):
    with fake_endpoint(knowing) as server:
        one(letters, server.judge)
    params = AutointerpParams(judge=f"replay:{recorded(cache)}", latents=12)
    bench = bench_of(letters.lm, params, eval_seed=1, source=lambda request: letters.data)
    assert Autointerp().run([FakeSubject(letters.letters(), "one")], bench) == {}
    assert "12 of 12 questions are not recorded" in bench.failures["one"].message


def test_what_is_recorded_is_not_asked_again(letters):
    with fake_endpoint(knowing) as server:
        first = one(letters, server.judge)
        count = len(server.requests)
        assert count == 60
        assert values(one(letters, server.judge, rows_per_block=7)) == values(first)
        assert len(server.requests) == count


def test_a_permuted_decoder_ties_and_asks_nothing_new(letters):
    with fake_endpoint(knowing) as server:
        dictionary = letters.letters()
        own, permuted = letters.scores([dictionary, PermutedDecoder(dictionary, 3)], server.judge)
        assert len(server.requests) == 60
    assert values(own) == values(permuted)


def test_a_signed_latent_is_looked_at_where_it_is_positive(letters):
    with fake_endpoint(knowing) as server:
        ids = letters.letters().chosen
        assert values(one(letters, server.judge, Letters(ids, sign=-1.0)))["detection"] is None
        assert values(one(letters, server.judge, Letters(ids)))["detection"] == 1


def test_latents_that_fire_too_often_too_seldom_or_never_are_counted(letters):
    with fake_endpoint(knowing) as server:
        chosen = (*letters.letters("abc").chosen, ALWAYS, SELDOM, 0)
        scores = one(letters, server.judge, Letters(chosen))
        none = one(letters, server.judge, Letters((ALWAYS, SELDOM)))
        dead = one(letters, server.judge, MeanOnly(letters.data.mean().float()))
    assert scores.details["looked_at"] == {"dead": 1, "testable": 3, "too dense": 1, "too rare": 1}
    assert values(scores)["testable"] == pytest.approx(3 / 5)
    assert metrics(none)["detection"].undefined.startswith("none of the 2 latents looked at can be tested: 2 fire")
    assert values(none)["testable"] == 0
    assert metrics(dead)["testable"].undefined == "none of 1 latents fires"


def test_one_explanation_has_no_other_to_be_shuffled_with(letters):
    with fake_endpoint(knowing) as server:
        made = metrics(one(letters, server.judge, letters.letters("q")))
    assert made["detection"].value == 1
    assert "one explanation alone" in made["detection_gain"].undefined


def test_without_a_judge_the_task_is_refused_with_the_remedy(letters):
    with pytest.raises(ConfigError, match=r"needs a judge.*SAEBENCH_JUDGE.*hf:smollm2-135m-instruct"):
        Autointerp().data(AutointerpParams(), letters.lm, 0)


def test_numbers_are_not_explained(tmp_path):
    lm = SyntheticModel(SyntheticWorld(preset("synthetic:tiny")))
    with pytest.raises(DataError, match="numbers"):
        Autointerp().data(AutointerpParams(judge="hf:any"), lm, 0)


def test_a_suite_is_refused_until_a_judge_is_named_and_then_scored(world, monkeypatch, tmp_path):
    text = world.suite.read_text().replace("reconstruction@1", "autointerp@1\n    params: {latents: 12, window: 6}")
    text = text.replace('controls: ["control:identity", "control:mean", "control:random", "baseline:pca"]', "")
    text = text.replace("documents: 14", "documents: 40")
    suite = tmp_path / "suite.yaml"
    suite.write_text(text)
    with pytest.raises(ConfigError, match="SAEBENCH_JUDGE"):
        plan_suite([str(world.dictionary)], str(suite), Settings(tmp_path / "results"))
    with fake_endpoint(saying("1, 2, 3")) as server:
        monkeypatch.setenv("SAEBENCH_JUDGE", server.judge)
        (record,) = run_suite([str(world.dictionary)], str(suite), Settings(tmp_path / "results")).computed
    host = server.url.removeprefix("http://").removesuffix("/v1")
    assert record.identity.params == {"judge": f"openai:{host}#fake", "prompts": 1, "latents": 12, "window": 6}
    assert record.details["judge"] == f"openai:{host}#fake"
    assert ResultStore(tmp_path / "results").read(record.id) == record
    said = json.dumps(record.model_dump(mode="json"))
    assert "detection_gain" in said
