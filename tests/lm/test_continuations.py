"""Steered rows in one batch are what each of them is alone, and their twins are the plain model."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from saebench.errors import DataError
from saebench.lm.fakes import tiny_model
from saebench.lm.loss import kl_divergence
from saebench.lm.model import LanguageModel
from saebench.lm.steering import Prompts, continued

FAMILIES = ("llama", "mistral", "qwen3", "gpt2", "gpt_neox", "gemma2", "gemma3_text")
KINDS = ("hook_resid_pre", "hook_attn_out", "mlp.hook_post", "hook_mlp_out", "hook_resid_post")
SITE = "blocks.1.hook_resid_post"
STEPS = 7


def endless(family: str) -> LanguageModel:
    """A model whose rows never end, so that shapes are fixed."""
    lm = tiny_model(family)
    lm.hf.generation_config.eos_token_id = None
    lm.tokenizer.eos_token = None
    return lm


def prompts() -> Prompts:
    return Prompts.of([[1, 9, 17, 30], [1, 12, 44, 7, 8, 50, 23], [1, 61]], pad=0)


def adding(lm: LanguageModel, site: str, factors: list[float]) -> Callable[[Tensor, Tensor], Tensor]:
    """Row i is pushed by `factors[i]` along a direction of its own."""
    width = lm.site(site).width
    directions = torch.randn(len(factors), width, generator=torch.Generator().manual_seed(3))
    pushes = torch.tensor(factors)[:, None] * directions
    return lambda acts, rows: acts + pushes[rows][:, None]


def alone(lm: LanguageModel, site: str, ids: list[int], edit: Callable[[Tensor], Tensor]) -> list[int]:
    """The same row by whole runs of the model over an unpadded text, without a cache."""
    tokens = list(ids)
    for _ in range(STEPS):
        with lm.spliced(site, lambda acts: torch.cat([acts[:, :1], edit(acts[:, 1:])], dim=1)):
            tokens.append(int(lm.logits(torch.tensor([tokens]))[0, -1].argmax()))
    return tokens[len(ids) :]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_a_batch_say_what_each_says_alone(family: str, kind: str) -> None:
    lm, site, asked = endless(family), f"blocks.1.{kind}", prompts()
    prompt_of = torch.tensor([0, 1, 2, 1, 0])
    edit = adding(lm, site, [0.0, 1.0, -2.0, 3.0, 5.0])
    said = continued(lm, site, asked, prompt_of, edit, STEPS).tokens.tolist()
    for row, prompt in enumerate(prompt_of):
        ids = asked.tokens[prompt][asked.mask[prompt]].tolist()
        number = torch.tensor([row])
        assert said[row] == alone(lm, site, ids, lambda acts, number=number: edit(acts, number))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_block_and_the_first_can_be_edited(family: str) -> None:
    lm, row = endless(family), torch.tensor([0])
    for site in ("blocks.0.hook_resid_pre", "blocks.2.hook_resid_post"):
        edit = adding(lm, site, [4.0])
        said = continued(lm, site, Prompts.of([[1, 9, 17]], 0), row, edit, STEPS)
        assert said.tokens[0].tolist() == alone(lm, site, [1, 9, 17], lambda acts, edit=edit: edit(acts, row))


def test_loss_and_divergence_are_those_of_whole_runs() -> None:
    lm, ids = endless("llama"), [1, 9, 17, 30]
    edit = adding(lm, SITE, [3.0])
    said = continued(lm, SITE, Prompts.of([ids], 0), torch.tensor([0]), edit, STEPS)
    whole = torch.tensor([ids + said.tokens[0].tolist()])
    with lm.spliced(SITE, lambda acts: torch.cat([acts[:, :1], edit(acts[:, 1:], torch.tensor([0]))], dim=1)):
        log_p = lm.logits(whole)[0, len(ids) - 1 : -1].log_softmax(-1)
    log_q = lm.logits(whole)[0, len(ids) - 1 : -1].log_softmax(-1)
    loss = -log_q.gather(1, said.tokens[0][:, None])[:, 0]
    assert torch.allclose(said.loss[0], loss, atol=1e-4)
    assert torch.allclose(said.kl[0], kl_divergence(log_p, log_q), atol=1e-4)
    assert said.kl.min() > 0.01


def test_an_edit_that_changes_nothing_is_the_plain_model() -> None:
    lm, asked = endless("llama"), prompts()
    said = continued(lm, SITE, asked, torch.arange(3), lambda acts, rows: acts, STEPS)
    plain = lm.generate(asked.tokens, STEPS, attention_mask=asked.mask.long())[:, asked.tokens.shape[1] :]
    assert torch.equal(said.tokens, plain)
    assert said.kl.abs().max() < 1e-5


def test_order_and_batch_of_the_rows_are_irrelevant() -> None:
    lm, asked, factors = endless("llama"), prompts(), [0.0, 1.0, -2.0, 3.0, 5.0]
    prompt_of = torch.tensor([0, 1, 2, 1, 0])
    edit = adding(lm, SITE, factors)
    whole = continued(lm, SITE, asked, prompt_of, edit, STEPS)
    shuffled = torch.tensor([3, 0, 4, 2, 1])
    other = continued(lm, SITE, asked, prompt_of[shuffled], lambda acts, rows: edit(acts, shuffled[rows]), STEPS)
    parts = continued(lm, SITE, asked, prompt_of, edit, STEPS, batch=2)
    for held, order in ((other, shuffled), (parts, torch.arange(5))):
        assert torch.equal(held.tokens, whole.tokens[order])
        assert torch.allclose(held.loss, whole.loss[order], atol=1e-4)
        assert torch.allclose(held.kl, whole.kl[order], atol=1e-4)


def test_a_row_ends_with_its_end_of_text_token_and_others_go_on() -> None:
    lm, asked = endless("llama"), prompts()
    before = continued(lm, SITE, asked, torch.arange(3), lambda acts, rows: acts, STEPS)
    end = int(before.tokens[0, 2])
    lm.hf.generation_config.eos_token_id = end
    said = continued(lm, SITE, asked, torch.arange(3), lambda acts, rows: acts, STEPS)
    place = before.tokens[0].tolist().index(end) + 1
    assert said.counted[0].tolist() == [True] * place + [False] * (STEPS - place)
    assert said.loss[0, place:].eq(0).all()
    for row in (1, 2):
        kept = said.counted[row]
        assert torch.equal(said.tokens[row][kept], before.tokens[row][kept])


def test_a_row_that_overflows_ends_and_leaves_the_others_alone() -> None:
    lm, asked = endless("llama"), prompts()
    limits = torch.tensor([0.0, float("inf"), 0.0])
    said = continued(lm, SITE, asked, torch.arange(3), lambda acts, rows: acts + limits[rows][:, None, None], STEPS)
    plain = continued(lm, SITE, asked, torch.arange(3), lambda acts, rows: acts, STEPS)
    assert said.counted.any(1).tolist() == [True, False, True]
    assert torch.equal(said.tokens[[0, 2]], plain.tokens[[0, 2]])
    assert said.loss.isfinite().all()
    assert said.kl.isfinite().all()
    assert said.texts(lm.tokenizer)[1] == ""


def test_the_first_position_is_not_edited() -> None:
    lm = endless("llama")
    moved: list[Tensor] = []

    def watch(acts: Tensor) -> Tensor:
        moved.append(acts)
        return acts

    def push(acts: Tensor, rows: Tensor) -> Tensor:
        return acts + 100

    with lm.spliced("blocks.2.hook_resid_pre", watch):
        continued(lm, SITE, prompts(), torch.arange(3), push, 1)
    plain, pushed = moved
    change = (pushed - plain).amax(-1)
    assert [int(row.eq(0).sum()) for row in change] == [4, 1, 6]  # padding and begin of text
    assert set(change.round().unique().tolist()) == {0.0, 100.0}


def test_a_prompt_without_a_word_is_refused() -> None:
    with pytest.raises(DataError, match="no token besides"):
        Prompts.of([[1, 5], [1]], pad=0)
