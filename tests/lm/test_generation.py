from __future__ import annotations

import pytest
import torch
from torch import Tensor

from saebench.lm.fakes import tiny_model
from saebench.lm.model import LanguageModel

SITE = "blocks.1.hook_resid_post"


@pytest.fixture(params=("llama", "gpt2", "gpt_neox", "gemma2", "gemma3_text"))
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    model = tiny_model(request.param)
    model.hf.generation_config.eos_token_id = None
    model.tokenizer.eos_token = None  # rows then never end, so that shapes are fixed
    return model


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(4, 64, (2, 6), generator=torch.Generator().manual_seed(5))


def test_greedy_tokens_are_the_likeliest_of_a_whole_run(lm: LanguageModel, tokens: Tensor) -> None:
    out = lm.generate(tokens, 5)
    assert out.shape == (2, 11)
    assert torch.equal(out[:, :6], tokens)
    assert torch.equal(out[:, 6:], lm.logits(out)[:, 5:-1].argmax(-1))


def test_an_identity_splice_changes_nothing_and_zeros_do(lm: LanguageModel, tokens: Tensor) -> None:
    plain = lm.generate(tokens, 6)
    assert torch.equal(lm.generate(tokens, 6, splice=(SITE, lambda acts: acts)), plain)
    assert not torch.equal(lm.generate(tokens, 6, splice=(SITE, torch.zeros_like)), plain)
    assert torch.equal(lm.generate(tokens, 6), plain)


def test_a_pointwise_splice_gives_the_same_tokens_with_and_without_a_cache(lm: LanguageModel, tokens: Tensor) -> None:
    splice = (SITE, lambda acts: -acts.tanh())
    cached = lm.generate(tokens, 6, splice=splice)
    assert torch.equal(cached, lm.generate(tokens, 6, splice=splice, use_cache=False))
    assert not torch.equal(cached, lm.generate(tokens, 6))


def test_with_a_cache_the_splice_sees_the_prompt_and_then_one_position_a_step(
    lm: LanguageModel, tokens: Tensor
) -> None:
    seen: list[int] = []

    def watch(acts: Tensor) -> Tensor:
        seen.append(acts.shape[1])
        return acts

    lm.generate(tokens, 4, splice=(SITE, watch))
    assert seen == [6, 1, 1, 1]


def test_sampling_follows_its_seed_and_leaves_the_global_state_alone(tokens: Tensor) -> None:
    lm = tiny_model("llama")
    state = torch.get_rng_state()
    first = lm.generate(tokens, 8, do_sample=True, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(lm.generate(tokens, 8, do_sample=True, seed=1), first)
    assert not torch.equal(lm.generate(tokens, 8, do_sample=True, seed=2), first)


def test_sampling_draws_from_the_whole_distribution_whatever_the_models_own_settings() -> None:
    lm = tiny_model("llama")
    prompt = torch.tensor([[1, 9, 17]]).repeat(4000, 1)
    lm.hf.generation_config.top_k = 1
    lm.hf.generation_config.temperature = 0.1
    drawn = lm.generate(prompt, 1, do_sample=True, seed=0)[:, -1]
    observed = torch.bincount(drawn, minlength=64) / 4000
    expected = lm.logits(prompt[:1])[0, -1].softmax(-1)
    assert (observed - expected).abs().max() < 0.03
    assert lm.hf.generation_config.top_k == 1


def test_padding_on_the_left_does_not_change_a_row(tokens: Tensor) -> None:
    lm = tiny_model("llama")
    alone = lm.generate(tokens[:1, 2:], 4)[0, 4:]
    padded = torch.cat([torch.zeros(1, 2, dtype=torch.int64), tokens[:1, 2:]], dim=1)
    mask = (padded != 0).long()
    together = lm.generate(
        torch.cat([tokens[1:], padded]), 4, attention_mask=torch.cat([torch.ones(1, 6).long(), mask])
    )
    assert torch.equal(together[1, 6 : 6 + len(alone)], alone)
