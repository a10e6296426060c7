"""Scores, edits and curves of `steering@1` by themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from saebench.answers.examination import correct, examine
from saebench.answers.rows import asked_rows
from saebench.data.instructions import INSTRUCTIONS, instructions
from saebench.data.questions import Question
from saebench.errors import DataError
from saebench.fakes import bench_of
from saebench.lm.fakes import tiny_model
from saebench.tasks.steering.curve import COLUMNS, Curve
from saebench.tasks.steering.detectors import detector_of, held_out, taught
from saebench.tasks.steering.effects import effect_direction
from saebench.tasks.steering.interventions import edit_of
from saebench.tasks.steering.judging import rating
from saebench.tasks.steering.measures import fluency, harmonic, kept, novel, standing
from saebench.tasks.steering.prompting import drawn, prompt_ids
from saebench.tasks.steering.reading import loss_of, represented
from saebench.tasks.steering.side_effects import right_under, side_table


def curve(harmonics: list[list[float]], kls: list[list[float]]) -> Curve:
    """A curve whose other values are those of the harmonic score."""
    values = {name: np.array(harmonics) for name in COLUMNS}
    return Curve({**values, "kl": np.array(kls)})


@pytest.mark.parametrize(
    ("scores", "mean"), [((2, 2, 2), 2), ((1, 2, 2), 1.5), ((1, 1, 2), 1.2), ((1, 1, 1), 1), ((2, 0, 2), 0)]
)
def test_the_harmonic_mean_is_axbenchs(scores, mean):
    columns = [np.array([float(score)]) for score in scores]
    assert harmonic(*columns)[0] == pytest.approx(mean)


def test_tokens_are_repeated_where_they_end_a_run_that_came_before():
    tokens = torch.tensor([[1, 2, 3, 4, 5, 6], [7, 7, 7, 7, 7, 7], [1, 2, 3, 1, 2, 3], [1, 2, 9, 1, 2, 3]])
    counted = torch.ones_like(tokens, dtype=torch.bool)
    counted[3, 4:] = False
    assert novel(tokens, counted).sum(1).tolist() == [6, 3, 5, 4]


def test_fluency_is_whole_for_natural_text_and_nothing_for_noise_loops_and_silence():
    tokens = torch.arange(12).repeat(5, 1)
    tokens[3] = 7
    counted = torch.ones_like(tokens, dtype=torch.bool)
    counted[4] = False
    loss = torch.tensor([1.0, 3.0, 9.5, 0.1, 0.0])[:, None].expand(5, 12)
    found = fluency(loss, tokens, counted, natural=3.0, shuffled=9.0)
    assert found[:3].tolist() == [2, 2, 0]
    assert found[3] == pytest.approx(2 * 3 / 12)
    assert found[4] == 0
    assert fluency(torch.full((1, 12), 6.0), tokens[:1], counted[:1], 3.0, 9.0)[0] == pytest.approx(1)


def test_what_is_predictable_by_repetition_does_not_pass_as_fluent():
    tokens = torch.tensor([[1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]])
    loss = torch.tensor([[8.0] * 5 + [0.0] * 7])
    assert loss.mean() < 4
    assert fluency(loss, tokens, tokens > 0, natural=4.0, shuffled=9.0)[0] == pytest.approx(2 * 5 / 12 * 1 / 5)


def test_a_text_stands_out_by_its_own_prompt_whatever_all_texts_have_in_common():
    rng = np.random.default_rng(0)
    prompts = np.eye(20, 50)
    texts = 0.4 * prompts + 0.02 * rng.standard_normal((20, 50))
    texts[:, 40] += 3.0
    own = np.arange(20)
    right, wrong = standing(texts, prompts, own), standing(texts, prompts, (own + 1) % 20)
    assert right.min() > 3
    assert abs(wrong.mean()) < 1
    assert kept(right, right.mean()).mean() == pytest.approx(2, abs=0.2)
    assert kept(np.array([-3.0, 0.0, 2.0, 9.0]), 4.0).tolist() == [0, 0, 1, 2]
    assert standing(np.zeros((1, 50)), prompts, np.array([0]))[0] == 0


def test_edits_do_to_each_row_what_their_formula_says():
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(3, 4, 8, generator=generator)
    w = torch.randn(5, 8, generator=generator)
    w = w / w.norm(dim=1, keepdim=True)
    s, rows = torch.tensor([0.0, 1.0, 0.5, 2.0, 1.0]), torch.tensor([4, 0, 2])

    def along(acts):
        return (acts * w[rows][:, None]).sum(-1)

    added, clamped, alone = (edit_of(mode, w, s)(h, rows) for mode in ("add", "clamp", "complement"))
    assert torch.allclose(along(added), along(h) + s[rows][:, None], atol=1e-5)
    assert torch.allclose(along(clamped), s[rows][:, None].expand(3, 4), atol=1e-5)
    assert torch.allclose(along(alone), along(h), atol=1e-5)
    for changed in (added, clamped):
        rest = changed - h - (along(changed) - along(h))[..., None] * w[rows][:, None]
        assert rest.abs().max() < 1e-5
    assert torch.allclose(alone[0], along(h)[0][:, None] * w[4], atol=1e-5)
    assert torch.equal(alone[1], h[1])
    assert torch.equal(added[1], h[1])


def test_the_chosen_factor_is_the_best_on_the_choosing_half_and_the_smallest_of_equals():
    made = curve([[9, 9, 0, 0], [0, 1, 9, 9], [2, 1, 0, 0], [1, 2, 5, 5]], [[0] * 4, [1] * 4, [2] * 4, [3] * 4])
    assert made.chosen(range(2)) == 2
    assert made.at("harmonic", 2, range(2, 4)).tolist() == [0, 0]


def test_equal_kl_is_found_between_two_factors_and_values_lie_on_the_line():
    made = curve([[0, 0], [1, 3], [2, 7]], [[0, 0], [0.2, 0.4], [1.0, 2.0]])
    assert made.crossing(0.3, range(1)) == (1, pytest.approx(0.125))
    assert made.crossing(0.1, range(1)) == (0, pytest.approx(0.5))
    assert made.crossing(1.5, range(1)) is None
    place = made.crossing(0.6, range(1))
    assert place is not None
    assert made.between("harmonic", place, range(1, 2))[0] == pytest.approx(5)


def test_a_level_beyond_which_texts_overflow_is_met_at_the_last_factor_that_speaks():
    made = curve([[0], [1], [5]], [[0], [0.2], [np.inf]])
    place = made.crossing(0.5, range(1))
    assert place == (1, 0)
    assert made.between("harmonic", place, range(1))[0] == 1


def test_detectors_learn_words_and_activations_and_survive_being_kept():
    lm = tiny_model("llama")
    draw = np.random.default_rng(0)
    words = (["tide", "anchor", "sailor"], ["tax", "loan", "wage"])
    y = np.array([0, 1] * 30)
    texts = [" ".join(draw.choice(words[label], 4)) for label in y]
    means, readable = represented(lm, "blocks.1.hook_resid_post", texts, 16)
    assert readable.all()
    for kind in ("words", "probe"):
        made = taught(kind, texts, y, ["a rope", "the end"], lm, "blocks.1.hook_resid_post", 16)
        assert float(made["auroc"]) > 0.95
        chances = detector_of(made).probability(texts, means)
        assert chances[y == 1].min() > chances[y == 0].max()
        noise = taught(kind, texts, draw.permutation(y), [], lm, "blocks.1.hook_resid_post", 16)
        assert abs(float(noise["auroc"]) - 0.5) < 0.35


def test_a_third_of_either_class_is_held_out():
    y = np.array([0] * 9 + [1] * 12)
    held = held_out(y)
    assert (held[y == 0].sum(), held[y == 1].sum()) == (3, 4)


def test_a_text_is_read_alike_alone_and_in_a_batch_and_an_empty_one_has_no_meaning():
    lm = tiny_model("llama")
    texts = ["the tide", "", "an anchor and a rope"]
    together, readable = represented(lm, "blocks.1.hook_resid_post", texts, 16)
    assert readable.tolist() == [True, False, True]
    assert not together[1].any()
    for place in (0, 2):
        alone, _ = represented(lm, "blocks.1.hook_resid_post", texts[place : place + 1], 16)
        assert np.allclose(alone[0], together[place], atol=1e-5)


def test_the_loss_of_texts_is_the_mean_over_their_tokens():
    lm = tiny_model("llama")
    texts = ["a tide", "an anchor and a rope"]
    total, count = 0.0, 0
    for text in texts:
        ids = torch.tensor([[lm.bos_id, *lm.tokenizer(text, add_special_tokens=False)["input_ids"]]])
        log_p = lm.logits(ids)[0].log_softmax(-1)
        total -= float(log_p[:-1].gather(1, ids[0, 1:, None]).sum())
        count += ids.shape[1] - 1
    assert loss_of(lm, texts, 32) == pytest.approx(total / count, rel=1e-5)


def test_instructions_of_a_concept_depend_on_seed_and_concept_and_more_only_add():
    few, more = drawn(INSTRUCTIONS, 6, "spam", 0), drawn(INSTRUCTIONS, 12, "spam", 0)
    assert more[:6] == few
    assert len(set(more)) == 12
    assert drawn(INSTRUCTIONS, 12, "code", 0) != more
    assert drawn(INSTRUCTIONS, 12, "spam", 1) != more


def test_a_prompt_begins_with_one_begin_of_text_token_with_and_without_a_chat_template():
    lm = tiny_model("llama")
    assert prompt_ids(lm, "hello")[0] == lm.bos_id
    lm.tokenizer.chat_template = "<bos>{{ messages[0]['content'] }}"
    ids = prompt_ids(lm, "hello")
    assert ids.count(lm.bos_id) == 1
    assert len(ids) == 6


def test_a_file_of_instructions_is_read_and_an_empty_one_refused(tmp_path):
    path = tmp_path / "asked.txt"
    path.write_text("One thing.\n\nAnother thing.\nOne thing.\n")
    assert instructions(str(path)) == ("One thing.", "Another thing.")
    path.write_text("One thing.\n")
    with pytest.raises(DataError, match="holds 1 instructions"):
        instructions(str(path))
    with pytest.raises(DataError, match="cannot be read"):
        instructions(str(tmp_path / "missing.txt"))
    assert len(set(INSTRUCTIONS)) == len(INSTRUCTIONS) >= 40


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("It is there. Rating: [[1]].", 1),
        ("Rating: 2", 2),
        ("Rating: **0**", 0),
        ("Rating: 3", None),
        ("no number", None),
        ("Rating: 2\nRating: [[1.5]]", 1.5),
        ("Rating: 1\nbecause it is", 1),
        ("Rating:", None),
        ("Rating: two", None),
        ("Rating: -1", None),
    ],
)
def test_a_rating_is_read_behind_the_last_mark(answer, value):
    assert rating(answer) == value


@pytest.mark.parametrize(
    ("latent", "direction"), [(0, (0.581238, 0.813733)), (1, (-0.066402, 0.997793)), (2, (-0.164399, 0.986394))]
)
def test_what_raises_a_latent_is_taken_without_what_raises_all(latent, direction):
    weights, offset = torch.tensor([[1, 0.2, 0], [0, 1, 0.5]]), torch.tensor([0.1, -0.2, 0.05])
    assert effect_direction(weights, offset, latent, 1).tolist() == pytest.approx(direction, abs=1e-5)


def test_side_effects_are_those_of_whole_runs_under_the_edit():
    lm = tiny_model("llama")
    site = "blocks.1.hook_resid_post"
    words = ("tide", "anchor", "sailor", "harbour", "reef", "storm")
    questions = [
        Question(word, tuple((f"is it {word} or", f" {other}") for other in words[:3]), number % 3)
        for number, word in enumerate(words)
    ]
    asked = asked_rows(questions, lm, context=40, most=6, name="sea", licence="none")
    exam = examine(bench_of(lm), asked, site)
    direction = torch.nn.functional.normalize(torch.randn(1, 16, generator=torch.Generator().manual_seed(0)))
    clean = correct(exam.clean, asked).astype(float)
    assert right_under(exam, edit_of("add", direction, torch.zeros(1))).tolist() == clean.tolist()
    edit = edit_of("add", direction, torch.tensor([6.0]))
    likely = []
    for question in questions:
        for before, after in question.pairs:
            ids = [lm.bos_id, *lm.tokenizer(before + after, add_special_tokens=False)["input_ids"]]
            start = 1 + len(lm.tokenizer(before, add_special_tokens=False)["input_ids"])

            def pushed(acts: torch.Tensor) -> torch.Tensor:
                return torch.cat([acts[:, :1], edit(acts[:, 1:], torch.tensor([0]))], dim=1)

            with lm.spliced(site, pushed):
                log_p = lm.logits(torch.tensor([ids]))[0].log_softmax(-1)
            likely.append(sum(float(log_p[place - 1, ids[place]]) for place in range(start, len(ids))))
    expected = correct(np.array(likely), asked).astype(float)
    assert right_under(exam, edit).tolist() == expected.tolist()
    table = side_table(exam, ["one", "two"], [expected, None])
    assert table.columns["asked"].tolist() == [1] * 6 + [0] * 6
    assert len(set(table.clusters)) == 6
