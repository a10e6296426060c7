import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from saebench.dictionaries.blocks.rules import (
    BatchTopK,
    LatentThreshold,
    Positive,
    RowTopK,
    ScalarThreshold,
    best_of_batch,
    passing,
)
from saebench.dictionaries.entries import Entries
from saebench.errors import CheckpointError, CompositionError


def kept(entries: Entries, score: Tensor) -> Tensor:
    """The chosen scores in a matrix, 0 elsewhere."""
    return entries.codes(entries.gate(entries.pick(score))).dense()


def draw(n: int, width: int, seed: int, spread: float = 0.0) -> Tensor:
    """Scores; `spread` makes some tokens much louder than others."""
    generator = torch.Generator().manual_seed(seed)
    loud = torch.randn(n, 1, generator=generator).mul(spread).exp()
    return torch.randn(n, width, generator=generator) * loud


@given(st.integers(1, 70), st.integers(4, 90), st.integers(1, 4), st.integers(0, 10**6), st.sampled_from([0.0, 3.0]))
@settings(max_examples=80, deadline=None)
def test_the_best_of_a_batch_are_those_of_a_full_sort(n: int, width: int, k: int, seed: int, spread: float) -> None:
    score = draw(n, width, seed, spread)
    cut = score.flatten().sort(descending=True).values[n * k - 1]
    assert torch.equal(kept(best_of_batch(score, n * k), score), torch.where(score >= cut, score, 0))


def test_the_best_of_a_batch_are_exact_when_all_of_them_stand_in_one_token() -> None:
    score = draw(256, 400, 0)
    score[101] += 100
    chosen = best_of_batch(score, 256)
    assert chosen.tokens is not None
    assert set(chosen.tokens.tolist()) == {101}


def test_a_batch_budget_for_one_token_is_a_row_budget() -> None:
    score = draw(1, 50, 3)
    assert torch.equal(kept(BatchTopK(7).choose(score, {}), score), kept(RowTopK(7).choose(score, {}), score))


def test_ties_at_the_cut_do_not_exceed_the_budget() -> None:
    chosen = best_of_batch(torch.ones(8, 16), 24)
    assert chosen.latents is not None
    assert chosen.latents.shape == (24,)


@pytest.mark.parametrize("level", [2.5, 0.0])
def test_thresholds_keep_the_same_whether_computed_as_a_list_or_as_a_matrix(level: float) -> None:
    score = draw(60, 200, 1)
    entries = passing(score, level)
    assert (entries.tokens is None) == (level == 0.0)
    assert torch.equal(kept(entries, score), torch.where(score > level, score, 0))


def test_a_batch_rule_without_threshold_refuses_single_tokens() -> None:
    rule = BatchTopK(4).inference()
    assert isinstance(rule, ScalarThreshold)
    with pytest.raises(CheckpointError, match="never set"):
        rule.choose(draw(2, 10, 0), {"threshold": torch.tensor([float("nan")])})


def jump(z: float, theta: float, bandwidth: float = 0.5) -> tuple[float, float, float]:
    """Value of one latent, and its slopes in z and in theta."""
    score = torch.tensor([[z]], dtype=torch.float64, requires_grad=True)
    threshold = torch.tensor([theta], dtype=torch.float64, requires_grad=True)
    value = LatentThreshold(bandwidth).let_through(score.relu(), score, Entries.every(score), {"threshold": threshold})
    value.sum().backward()
    assert score.grad is not None
    assert threshold.grad is not None
    return value.item(), score.grad.item(), threshold.grad.item()


def test_the_jump_has_the_published_gradients() -> None:
    theta, width = 1.0, 0.5
    assert jump(1.1, theta) == (1.1, 1.0, -theta / width)
    assert jump(0.9, theta) == (0.0, 0.0, -theta / width)
    assert jump(1.3, theta) == (1.3, 1.0, 0.0)
    assert jump(0.7, theta) == (0.0, 0.0, 0.0)


def test_latents_just_below_their_threshold_are_computed_though_not_active() -> None:
    score = torch.full((40, 100), -1.0)
    score[3, 5], score[3, 6], score[3, 7] = 1.1, 0.9, 0.7
    weights = {"threshold": torch.ones(100)}
    rule = LatentThreshold(bandwidth=0.4)
    reached, chosen = rule.reach(score, weights), rule.choose(score, weights)
    assert reached.latents is not None
    assert chosen.latents is not None
    assert reached.latents.tolist() == [5, 6]
    assert chosen.latents.tolist() == [5]


def test_learned_thresholds_never_fall_below_zero() -> None:
    weights = {"threshold": torch.tensor([-0.1, 0.2], requires_grad=True)}
    LatentThreshold().after_step(weights)
    assert weights["threshold"].tolist() == pytest.approx([0.0, 0.2])


@pytest.mark.parametrize("rule", [RowTopK, BatchTopK])
def test_budgets_lie_between_one_and_the_number_of_latents(rule: type[RowTopK] | type[BatchTopK]) -> None:
    with pytest.raises(CompositionError, match="k = 0"):
        rule(0)
    rule(8).check_width(8)
    with pytest.raises(CompositionError, match="d_dict = 8"):
        rule(9).check_width(8)


def test_a_rule_for_single_tokens_is_itself_after_training() -> None:
    for rule in (Positive(), RowTopK(3), LatentThreshold()):
        assert rule.inference() is rule
