"""Answers from a site upwards, contexts shared, against whole passes of one row at a time."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from saebench.answers.examination import correct, examine, log_odds
from saebench.answers.rows import asked_rows
from saebench.data.questions import Question
from saebench.errors import DataError
from saebench.fakes import bench_of
from saebench.lm.fakes import ALPHABET, tiny_model


def some_questions(n: int, seed: int = 0) -> list[Question]:
    draw = random.Random(seed)

    def word(most: int) -> str:
        return "".join(draw.choices(ALPHABET[1:27], k=draw.randint(1, most)))

    made = []
    for number in range(n):
        context = f"{word(12)} {word(9)}"
        choices = draw.randint(2, 5)
        pairs = tuple((context, f" {word(5)}") for _ in range(choices))
        if number == 3:
            pairs = tuple((f"{word(6)} {word(4)}", " same") for _ in range(choices))
        made.append(Question(f"q{number}", pairs, draw.randrange(choices)))
    return made


def examined(lm, site, questions, rows_per_block=4):
    asked = asked_rows(questions, lm, context=40, most=99, name="letters", licence="none")
    return examine(bench_of(lm, rows_per_block=rows_per_block), asked, site)


def one_at_a_time(lm, site, asked, edit):
    """Each row whole, from its tokens, with a hook at the site."""
    likely = []
    for row in range(len(asked.length)):
        length, cut = int(asked.length[row]), int(asked.context[row])
        tokens = torch.from_numpy(asked.rows.tokens[row : row + 1, :length].astype(np.int64))
        counts = torch.from_numpy(asked.rows.mask[row : row + 1, :length])

        def fn(x, counts=counts):
            new = x.clone()
            new[counts] = edit(x[counts])
            return new

        with torch.no_grad(), lm.spliced(site, fn):
            log_p = lm.logits(tokens)[0].float().log_softmax(1)
        likely.append(float(log_p[torch.arange(cut - 1, length - 1), tokens[0, cut:]].sum()))
    return np.array(likely)


SITES = ("blocks.1.hook_resid_post", "blocks.1.hook_resid_pre", "blocks.1.hook_mlp_out")


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("family", ["llama", "mistral", "gpt2", "gpt_neox", "gemma2", "gemma3_text"])
def test_answers_are_those_of_whole_passes(family, site):
    lm = tiny_model(family)
    exam = examined(lm, site, some_questions(7))
    assert exam.clean == pytest.approx(one_at_a_time(lm, site, exam.asked, lambda x: x), rel=1e-4, abs=1e-4)
    for edit in (lambda x: x, lambda x: 0.5 * x.flip(-1)):
        made = np.full(len(exam.asked.length), np.nan)
        for block in exam.blocks():
            made[block.asked] = block.edited(edit(block.tokens)).likelihoods(lm)
        assert made == pytest.approx(one_at_a_time(lm, site, exam.asked, edit), rel=1e-4, abs=1e-4)


def test_only_what_an_edit_changes_is_asked_again_and_the_answers_are_the_same():
    lm = tiny_model()
    exam = examined(lm, SITES[0], some_questions(9), rows_per_block=1)

    def edit(x):
        return torch.where(x[:, :1] > 2.0, -x, x)

    asked_again = 0
    for block in exam.blocks():
        clean = block.likelihoods(lm)
        new = block.edited(edit(block.tokens))
        every = new.likelihoods(lm)
        some = block.changed(new, lm, clean)
        assert some == pytest.approx(every, rel=1e-5)
        asked_again += int((some != clean).sum())
        in_a_choice = block.tokens.clone()
        in_a_choice[-1] = -in_a_choice[-1]
        alone = block.edited(in_a_choice)
        assert block.changed(alone, lm, clean) == pytest.approx(alone.likelihoods(lm), rel=1e-5)
        same = block.edited(block.tokens)
        assert np.array_equal(block.changed(same, lm, clean), clean)
    assert 0 < asked_again < len(exam.asked.length)


def test_a_part_of_the_questions_gives_the_answers_of_the_whole():
    lm = tiny_model("gpt2")
    exam = examined(lm, SITES[0], some_questions(8))
    asked = np.flatnonzero(np.isin(exam.asked.question_of, [1, 3, 6]))
    seen = []
    for block in exam.blocks(np.array([1, 3, 6])):
        assert block.likelihoods(lm) == pytest.approx(exam.clean[block.asked], rel=1e-5)
        seen += block.asked.tolist()
    assert sorted(seen) == asked.tolist()


def test_right_answers_and_log_odds_of_a_small_example():
    lm = tiny_model()
    pairs = (("ab", " c"), ("ab", " d"), ("ab", " e"))
    two = [Question("first", pairs, 1), Question("second", pairs[:2], 0)]
    asked = asked_rows(two, lm, context=40, most=9, name="x", licence="none")
    likely = np.log([0.2, 0.5, 0.1, 0.25, 0.25])
    assert correct(likely, asked).tolist() == [True, True]
    assert log_odds(likely, asked) == pytest.approx([np.log(0.5 / 0.3), 0.0])
    assert asked.chance == pytest.approx([1 / 3, 1 / 2])


def test_choices_of_one_question_share_their_context_and_long_questions_are_left_out():
    lm = tiny_model()
    asked = asked_rows(some_questions(5), lm, context=18, most=99, name="x", licence="none")
    assert asked.dropped + len(asked.questions) == 5
    assert asked.dropped > 0
    whole = asked_rows(some_questions(3), lm, context=40, most=99, name="x", licence="none")
    assert len(np.unique(whole.context_of)) == 3
    with pytest.raises(DataError, match="no question has rows of at most 3 tokens"):
        asked_rows(some_questions(5), lm, context=3, most=99, name="x", licence="none")
