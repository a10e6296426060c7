"""Our lm-eval model against lm-eval's own, and against a splice that changes nothing."""

from __future__ import annotations

import random

import datasets
import lm_eval
import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM

from saebench.baselines.controls import Identity, MeanOnly
from saebench.errors import InputError, UnknownName
from saebench.lm.fakes import ALPHABET, tiny_model
from saebench.lm.lm_eval_model import SplicedLM

SITE = "blocks.1.hook_resid_post"


def words(seed: int, n: int, most: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices(ALPHABET[1:27], k=draw.randint(1, most))) for _ in range(n)]


def asked(kind: str, *arguments: tuple) -> list[Instance]:
    return [Instance(kind, {}, one, number) for number, one in enumerate(arguments)]


def theirs(lm):
    return HFLM(pretrained=lm.hf, tokenizer=lm.tokenizer, batch_size=3, device="cpu")


@pytest.fixture(params=["llama", "gpt2", "gemma2"])
def lm(request):
    return tiny_model(request.param)


def test_loglikelihoods_are_those_of_lm_evals_own_model(lm):
    pairs = [*zip(words(0, 12, 30), (f" {word}" for word in words(1, 12, 6)), strict=True)]
    pairs += [("", "abc"), ("ends with blanks  ", "x"), ("same", " a"), ("same", " b"), (pairs[0][0], " zz")]
    requests = asked("loglikelihood", *pairs)
    own = SplicedLM(lm, batch_size=4).loglikelihood(requests, disable_tqdm=True)
    reference = theirs(lm).loglikelihood(requests, disable_tqdm=True)
    assert [greedy for _, greedy in own] == [greedy for _, greedy in reference]
    assert [value for value, _ in own] == pytest.approx([value for value, _ in reference], rel=1e-5)


def test_whole_texts_longer_than_the_longest_row_are_those_of_lm_evals_own_model(lm):
    lm.hf.config.max_position_embeddings = lm.hf.config.n_positions = 32
    requests = asked("loglikelihood_rolling", ("a b",), ("z" * 31,), ("the quick brown fox " * 8,))
    own = SplicedLM(lm, batch_size=2).loglikelihood_rolling(requests)
    assert own == pytest.approx(theirs(lm).loglikelihood_rolling(requests), rel=1e-5)


def test_greedy_generations_are_those_of_lm_evals_own_model(lm):
    settings = [{"until": ["e"], "max_gen_toks": 12}, {"until": [], "max_gen_toks": 5, "do_sample": False}]
    requests = asked("generate_until", *((text, one) for one in settings for text in words(3, 7, 20)))
    own = SplicedLM(lm, batch_size=3).generate_until(requests)
    assert own == theirs(lm).generate_until(requests, disable_tqdm=True)
    assert any(own)


def question_task() -> ConfigurableTask:
    """Sixty four-way questions of random letters."""
    draw = random.Random(5)
    asked = [
        {"question": text, "choices": words(number, 4, 5), "answer": draw.randrange(4)}
        for number, text in enumerate(words(7, 60, 20))
    ]
    return ConfigurableTask(
        config={
            "task": "letters",
            "custom_dataset": lambda **_: {"test": datasets.Dataset.from_list(asked)},
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": "{{question}}",
            "doc_to_choice": "choices",
            "doc_to_target": "answer",
        }
    )


def score(model) -> dict:
    made = lm_eval.evaluate(model, {"letters": question_task()}, bootstrap_iters=0)
    return {key: value for key, value in made["results"]["letters"].items() if key.startswith("acc")}


def splice(dictionary):
    return SITE, lambda x: dictionary.decode(dictionary.encode(x), x)


@pytest.mark.parametrize("begin", [False, True])
def test_a_spliced_identity_gives_exactly_the_unspliced_score(lm, begin):
    plain, spliced = (SplicedLM(lm, splice=one, begin_of_text=begin) for one in (None, splice(Identity(lm.d_model))))
    assert score(spliced) == score(plain)
    requests = asked("loglikelihood", *((text, " yes") for text in words(9, 9, 15)))
    assert spliced.loglikelihood(requests) == plain.loglikelihood(requests)
    goes_on = asked("generate_until", *((text, {"until": ["q"], "max_gen_toks": 9}) for text in words(9, 9, 15)))
    assert spliced.generate_until(goes_on) == plain.generate_until(goes_on)


def test_lm_eval_gives_both_models_the_same_score(lm):
    assert score(SplicedLM(lm, batch_size=5)) == pytest.approx(score(theirs(lm)), abs=1e-9)


def test_a_splice_reaches_every_position_that_counts_and_no_other(lm):
    """Where a site is constant behind the first token, what is read there matters no more; the first token does."""
    mean = MeanOnly(torch.linspace(-1, 1, lm.d_model))
    model = SplicedLM(lm, splice=splice(mean))
    same = asked("loglikelihood", ("abcd", "e"), ("axyz", "e"), ("bbcd", "e"))
    first, other_text, other_first = (value for value, _ in model.loglikelihood(same, disable_tqdm=True))
    assert first == pytest.approx(other_text, abs=1e-5)
    assert abs(first - other_first) > 1e-4


def test_padding_changes_nothing_in_a_spliced_generation(lm):
    requests = asked("generate_until", *((text, {"until": [], "max_gen_toks": 6}) for text in words(11, 6, 18)))
    edit = (SITE, lambda x: x.flip(-1))
    together = SplicedLM(lm, splice=edit, batch_size=6).generate_until(requests)
    assert together == SplicedLM(lm, splice=edit, batch_size=1).generate_until(requests)
    assert together != SplicedLM(lm, batch_size=6).generate_until(requests)


def test_bad_requests_are_named(lm):
    with pytest.raises(UnknownName, match=r"did you mean blocks\.1\.hook_resid_post"):
        SplicedLM(lm, splice=("blocks.1.hook_resid_pots", lambda x: x))
    with pytest.raises(InputError, match="a continuation has 0 tokens"):
        SplicedLM(lm).loglikelihood(asked("loglikelihood", ("a", "")))
    with pytest.raises(InputError, match="leave no room"):
        SplicedLM(lm).generate_until(asked("generate_until", ("a", {"until": [], "max_gen_toks": 600})))
