from __future__ import annotations

import math

import torch

from saebench.lm.loss import kl_divergence, per_token_loss


def test_loss_of_a_model_that_knows_nothing_is_the_log_of_the_vocabulary() -> None:
    loss = per_token_loss(torch.full((2, 5, 64), 3.0), torch.randint(0, 64, (2, 5)))
    torch.testing.assert_close(loss, torch.full((2, 4), math.log(64)))


def test_a_position_predicts_the_next_token() -> None:
    tokens = torch.tensor([[3, 1, 2, 0]])
    logits = torch.zeros(1, 4, 5)
    logits[0, 0, 1] = 100.0  # right: token 1 follows
    logits[0, 1, 1] = 100.0  # wrong: token 2 follows
    loss = per_token_loss(logits, tokens)
    torch.testing.assert_close(loss, torch.tensor([[0.0, 100.0, math.log(5)]]))


def test_loss_is_float32_and_agrees_with_the_models_own_mean() -> None:
    from saebench.lm.fakes import tiny_model

    lm = tiny_model("llama")
    tokens = torch.randint(4, 64, (3, 9), generator=torch.Generator().manual_seed(2))
    own = lm.hf(input_ids=tokens, labels=tokens).loss
    torch.testing.assert_close(per_token_loss(lm.logits(tokens), tokens).mean(), own)
    low = per_token_loss(lm.logits(tokens).bfloat16(), tokens)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low.mean(), own, atol=0.01, rtol=0.0)


def test_kl_of_two_coins() -> None:
    p, q = torch.tensor([0.5, 0.5]), torch.tensor([0.9, 0.1])
    expected = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
    torch.testing.assert_close(kl_divergence(p.log(), q.log()), torch.tensor(expected))


def test_kl_is_zero_only_for_equal_distributions_and_never_negative() -> None:
    logits = torch.randn(7, 4, 50, generator=torch.Generator().manual_seed(3))
    log_p, log_q = logits.log_softmax(-1), logits.flip(0).log_softmax(-1)
    assert not kl_divergence(log_p, log_p).any()
    kl = kl_divergence(log_p, log_q)
    assert kl.shape == (7, 4)
    assert (kl[[0, 1, 2, 4, 5, 6]] > 0).all()


def test_kl_survives_probabilities_that_underflow() -> None:
    low, high = torch.tensor([0.0, -200.0, -200.0]), torch.tensor([-200.0, 0.0, 0.0])
    log_p, log_q = low.log_softmax(-1), high.log_softmax(-1)
    assert log_p.exp()[1] == 0
    torch.testing.assert_close(kl_divergence(log_p, log_q), torch.tensor(200.0 + math.log(2)))
    assert kl_divergence(log_p, log_p) == 0


def test_kl_takes_zero_log_zero_as_zero() -> None:
    never = torch.tensor([0.0, -math.inf])
    assert kl_divergence(never, never) == 0
    torch.testing.assert_close(kl_divergence(never, torch.tensor([0.5, 0.5]).log()), torch.tensor(math.log(2)))
    assert kl_divergence(torch.tensor([0.5, 0.5]).log(), never) == math.inf
