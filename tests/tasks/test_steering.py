"""`steering@1` on a model that walks in circles: what a direction does there is known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from steering_world import CIRCLES, CONCEPT, SITE, circle_model, settings, write_concept

from saebench.baselines.concepts.bow import Words
from saebench.baselines.concepts.diffmean import DiffMean
from saebench.baselines.concepts.random_direction import RandomDirection
from saebench.data.instructions import instructions
from saebench.dictionaries.fakes import RandomLinear
from saebench.errors import ConfigError, DataError
from saebench.fakes import FakeConcept, FakeSubject, bench_of
from saebench.judges.fakes import fake_endpoint
from saebench.tasks.contract import Scores
from saebench.tasks.steering.card import CARD, PROMPTS, ROWS
from saebench.tasks.steering.effects import effect_map
from saebench.tasks.steering.prompting import prompts_of
from saebench.tasks.steering.task import Steering
from saebench.tasks.summary import summarise


@pytest.fixture(scope="module")
def lm():
    return circle_model()


def letters(lm) -> RandomLinear:
    """A dictionary whose latents are the circles: one-hot sums, the concept's last."""
    rows = torch.zeros(len(CIRCLES) + 1, lm.d_model)
    for latent, circle in enumerate((*CIRCLES, CONCEPT)):
        rows[latent, lm.tokenizer(circle, add_special_tokens=False)["input_ids"]] = 1
    return RandomLinear(rows / rows.norm(dim=1, keepdim=True))


def run(lm, params, *subjects, **given) -> dict[str, Scores]:
    bench = bench_of(lm, params, **given)
    scores = Steering().run(list(subjects), bench)
    assert not bench.failures
    return scores


def value(scores: Scores, name: str) -> float:
    found = summarise(CARD, scores)[name]
    assert found.value is not None, found.undefined
    return found.value


def concept(method, name: str) -> FakeConcept:
    return FakeConcept(method, name, site=SITE)


def brought(scores: Scores) -> float:
    """How much of the concept stands in texts that are texts: the smaller of concept and fluency score."""
    columns = scores.tables[ROWS].columns
    return float(np.minimum(columns["concept"], columns["fluency"]).mean())


def test_a_direction_that_knows_the_concept_brings_it_and_a_random_one_does_not(lm, tmp_path):
    randoms = [f"random {seed}" for seed in range(4)]
    scores = run(
        lm,
        settings(tmp_path),
        concept(DiffMean(), "diffmean"),
        FakeSubject(letters(lm), "dictionary", site=SITE),
        *(concept(RandomDirection(seed=seed), name) for seed, name in enumerate(randoms)),
    )
    for name in ("diffmean", "dictionary"):
        assert value(scores[name], "concept_gain") > 1.9
        assert value(scores[name], "kl") > 1
        assert brought(scores[name]) > 1.7
    assert np.mean([brought(scores[name]) for name in randoms]) < 0.7
    assert np.mean([value(scores[name], "degenerate") for name in randoms]) > 0.5
    for made in scores.values():
        assert value(made, "plain_instruction") > 1.5
        assert value(made, "plain_concept") < 0.05
        assert value(made, "plain_fluency") > 1.9


def test_the_dictionary_steers_with_the_latent_that_holds_the_concept(lm, tmp_path):
    scores = run(lm, settings(tmp_path), FakeSubject(letters(lm), "dictionary", site=SITE))["dictionary"]
    told = scores.details["concepts"]["circle"]
    assert told["notes"]["latent"] == len(CIRCLES)
    assert set("".join(told["texts"])) <= set(CONCEPT)


def test_a_direction_too_weak_to_change_a_word_has_the_plain_models_scores(lm, tmp_path):
    made = run(lm, settings(tmp_path, factors=(0.01,)), concept(DiffMean(), "weak"))["weak"]
    for score in ("concept", "instruction", "fluency"):
        assert value(made, f"{score}_score") == pytest.approx(value(made, f"plain_{score}"), abs=1e-3)
    assert value(made, "kl") < 1e-3
    assert value(made, "concept_gain") == pytest.approx(0, abs=1e-3)


def test_subjects_at_equal_kl_are_compared_where_they_get_there(lm, tmp_path):
    made = run(lm, settings(tmp_path, factors=(1.0, 20.0)), concept(DiffMean(), "diffmean"))["diffmean"]
    kl = made.details["concepts"]["circle"]["kl_by_factor"]
    assert kl[0] < 0.1 < 1 < kl[1]
    assert value(made, "concept_kl_0.25") < value(made, "concept_kl_0.5") < value(made, "concept_kl_1")
    weak = run(lm, settings(tmp_path, factors=(0.01,)), concept(DiffMean(), "weak"))["weak"]
    found = summarise(CARD, weak)
    assert found["harmonic_kl_1"].value is None
    assert "no concept gets to 1 nats" in (found["harmonic_kl_1"].undefined or "")
    assert found["reached_kl_1"].value == 0


def test_a_prompt_does_not_choose_the_factor_it_is_reported_at(lm, tmp_path):
    made = run(lm, settings(tmp_path, factors=(1.0, 20.0)), concept(DiffMean(), "diffmean"))["diffmean"]
    items = made.tables[ROWS].items
    assert len(items) == 4
    assert made.tables[ROWS].clusters == ("circle",) * 4
    assert made.tables[PROMPTS].clusters == items
    more = run(lm, settings(tmp_path, factors=(1.0, 20.0), prompts=4), concept(DiffMean(), "diffmean"))["diffmean"]
    assert not set(more.tables[ROWS].items) & set(items)


def test_subjects_and_their_order_do_not_matter_to_each_other(lm, tmp_path):
    params = settings(tmp_path, factors=(1.0, 5.0, 20.0))
    one, other = concept(DiffMean(), "diffmean"), concept(RandomDirection(), "random")
    together, turned, alone = run(lm, params, one, other), run(lm, params, other, one), run(lm, params, one)
    for scores in (turned, alone):
        for name, column in scores["diffmean"].tables[ROWS].columns.items():
            assert np.allclose(column, together["diffmean"].tables[ROWS].columns[name], atol=1e-5), name


@pytest.mark.parametrize("mode", ["clamp", "complement"])
def test_other_interventions_steer_too(lm, tmp_path, mode):
    factors = (1.0,) if mode == "complement" else (20.0,)
    made = run(lm, settings(tmp_path, mode=mode, factors=factors), concept(DiffMean(), "diffmean"))["diffmean"]
    texts = "".join(made.details["concepts"]["circle"]["texts"])
    if mode == "clamp":
        assert set(texts) <= set(CONCEPT)
        assert value(made, "concept_gain") > 1.9
    else:
        assert value(made, "kl") > 1


def test_a_concept_that_nobody_can_detect_is_not_counted(lm, tmp_path):
    blind = write_concept(tmp_path, "blind", known=False)
    seen = write_concept(tmp_path, "seen")
    both = settings(tmp_path, concepts=(str(blind), str(seen)))
    made = run(lm, both, concept(DiffMean(), "diffmean"))["diffmean"]
    assert "AUROC" in made.details["concepts"]["blind"]["excluded"]
    counted = made.tables[ROWS].columns["counted"]
    assert counted.tolist() == [0] * 4 + [1] * 4
    assert value(made, "concept_gain") > 1.9
    none = run(lm, settings(tmp_path, concepts=(str(blind),)), concept(DiffMean(), "diffmean"))["diffmean"]
    found = summarise(CARD, none)
    assert all(metric.value is None and "blind: its detector" in (metric.undefined or "") for metric in found.values())


def test_a_method_without_a_direction_has_no_score_and_says_why(lm, tmp_path):
    made = run(lm, settings(tmp_path), concept(Words(), "words"), concept(DiffMean(), "diffmean"))
    assert "no direction" in (summarise(CARD, made["words"])["concept_gain"].undefined or "")
    assert value(made["diffmean"], "concept_gain") > 1.9


def test_a_model_that_does_not_answer_its_instructions_cannot_be_steered_on_them(lm, tmp_path):
    params = settings(tmp_path)
    with torch.no_grad():
        mute = circle_model()
        mute.hf.lm_head.weight.zero_()
    made = run(mute, params, concept(DiffMean(), "diffmean"))["diffmean"]
    assert "do not stand out" in (summarise(CARD, made)["steering_harmonic_offline"].undefined or "")


def test_an_interrupted_run_goes_on_where_it_was(lm, tmp_path):
    class Memory:
        kept = None
        saves = 0

        def load(self):
            return self.kept

        def save(self, done, arrays):
            self.kept, self.saves = (done, dict(arrays)), self.saves + 1
            if self.saves == 1:
                raise KeyboardInterrupt

    params, journal = settings(tmp_path, factors=(1.0, 20.0)), Memory()
    subjects = [concept(DiffMean(), "diffmean"), concept(RandomDirection(), "random")]
    bench = bench_of(lm, params, journal=journal)
    with pytest.raises(KeyboardInterrupt):
        Steering().run(subjects, bench)
    resumed = Steering().run(subjects, bench)
    assert journal.saves == 2
    whole = run(lm, params, *subjects)
    for name in ("diffmean", "random"):
        assert resumed[name].details == whole[name].details
        for column, values in whole[name].tables[ROWS].columns.items():
            assert np.array_equal(resumed[name].tables[ROWS].columns[column], values)


def test_settings_that_cannot_be_are_refused(lm, tmp_path):
    task = Steering()
    for changed, words in (
        ({"factors": (2.0, 1.0)}, "factors must rise"),
        ({"mode": "complement", "factors": (0.5, 2.0)}, "takes away a share"),
        ({"prompts": 40}, "16 instructions for 40 prompts"),
    ):
        with pytest.raises(ConfigError, match=words):
            task.data(settings(tmp_path, **changed), lm, 0)
    with pytest.raises(DataError, match="writes no text"):
        task.data(settings(tmp_path), SimpleNamespace(name="synthetic:small"), 0)
    with pytest.raises(ConfigError, match="not above the steered site"):
        run(lm, settings(tmp_path, reader=SITE), concept(DiffMean(), "diffmean"))


def test_the_plan_is_told_of_concepts_and_instructions(lm, tmp_path):
    records = Steering().data(settings(tmp_path), lm, 0)
    assert [one.part for one in records] == ["circle", "instructions"]
    changed = Steering().data(settings(tmp_path), lm, 1)
    assert changed[0].fingerprint != records[0].fingerprint
    assert changed[1].fingerprint == records[1].fingerprint


def sees_the_concept(messages) -> str:
    """A judge who looks for letters of the concept, and finds every text fluent and on its subject."""
    text = messages[-1].content.rpartition("Text: ")[2]
    about_concept = "Example 1:" in messages[-1].content
    return f"So it is.\nRating: [[{2 if not about_concept or set(text) & set(CONCEPT) else 0}]]"


def test_a_judge_rates_the_reported_texts_and_the_plain_models(lm, tmp_path, monkeypatch):
    monkeypatch.setenv("SAEBENCH_CACHE", str(tmp_path / "cache"))
    with fake_endpoint(sees_the_concept) as endpoint:
        made = run(lm, settings(tmp_path, judge=endpoint.judge), concept(DiffMean(), "diffmean"))["diffmean"]
    assert value(made, "judge_concept") == value(made, "judge_harmonic") == 2
    assert value(made, "judge_plain_harmonic") == 0
    assert value(made, "judge_unread") == 0
    assert len(endpoint.requests) <= 3 * 2 * 4


def test_a_judge_who_talks_nonsense_is_counted_and_one_who_fails_is_no_score(lm, tmp_path, monkeypatch):
    monkeypatch.setenv("SAEBENCH_CACHE", str(tmp_path / "cache"))
    with fake_endpoint(lambda messages: "Who knows?") as endpoint:
        made = run(lm, settings(tmp_path, judge=endpoint.judge), concept(DiffMean(), "diffmean"))["diffmean"]
    assert value(made, "judge_harmonic") == 0
    assert value(made, "judge_unread") == 1
    with fake_endpoint(lambda messages: 400) as endpoint:
        made = run(lm, settings(tmp_path, judge=endpoint.judge), concept(DiffMean(), "diffmean"))["diffmean"]
    assert "no answer" in (summarise(CARD, made)["judge_harmonic"].undefined or "")
    assert sum(made.details["judge"]["failures"].values()) == 2 * 3 * 4
    assert value(made, "concept_gain") > 1.9


def test_without_judge_and_questions_their_metrics_say_so(lm, tmp_path):
    found = summarise(CARD, run(lm, settings(tmp_path), concept(DiffMean(), "diffmean"))["diffmean"])
    assert found["judge_harmonic"].undefined == "no judge is named: judge"
    assert found["side_effect"].undefined == "no questions are named: side_effect"


def test_of_the_latents_that_detect_the_one_that_speaks_can_be_chosen(lm, tmp_path):
    made = run(lm, settings(tmp_path, latent="output"), FakeSubject(letters(lm), "dictionary", site=SITE))["dictionary"]
    assert made.details["concepts"]["circle"]["notes"]["latent"] == len(CIRCLES)
    assert value(made, "concept_gain") > 1.9


def test_what_raises_a_latent_is_found_by_pushing_in_many_directions(lm, tmp_path):
    dictionary, params = letters(lm), settings(tmp_path, latent="effect", effect_directions=200)
    prompts = prompts_of(lm, instructions(params.instructions)[:2])
    found = torch.from_numpy(effect_map(dictionary, lm, SITE, prompts, 200)["weights"])
    assert (found.T @ dictionary.atoms.T).argmax(1).tolist() == list(range(len(CIRCLES) + 1))
    made = run(lm, params, FakeSubject(dictionary, "dictionary", site=SITE))["dictionary"]
    assert made.details["concepts"]["circle"]["notes"]["latent"] == len(CIRCLES)
    assert value(made, "kl") > 0.1
