"""Rules of sparsifiers: which latents a token gets, given scores.

Fixed budgets (`row_topk`, `batch_topk`) compute slots alone; thresholds compute slots when few entries pass and every
pair otherwise.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from saebench.dictionaries.blocks.block import Block, block
from saebench.dictionaries.blocks.state import Weights
from saebench.dictionaries.codes import DENSE_ABOVE
from saebench.dictionaries.entries import Entries
from saebench.errors import CheckpointError, CompositionError


class Rule(Block, abc.ABC):
    """Base of the slot.

    Attributes:
        threshold: shape of the tensor `threshold` that the rule reads: one a latent, one for all, or none.
        learned: that tensor is a parameter (otherwise a buffer that a controller sets).
        needs_controller: that tensor has no value unless a controller tracks it in training.
        batch_coupled: the choice for a token depends on the other tokens.
        per_latent: the choice of a latent depends on its own score alone.
    """

    threshold: ClassVar[Literal["latent", "scalar"] | None] = None
    learned: ClassVar[bool] = False
    needs_controller: ClassVar[bool] = False
    batch_coupled: ClassVar[bool] = False
    per_latent: ClassVar[bool] = True

    @abc.abstractmethod
    def choose(self, score: Tensor, weights: Weights) -> Entries:
        """Entries that hold every active latent, from scores of all pairs `[n, d_dict]`."""

    def reach(self, score: Tensor, weights: Weights) -> Entries:
        """Entries that carry gradients in training: those chosen, and more where an inactive latent matters."""
        return self.choose(score, weights)

    def let_through(self, values: Tensor, score: Tensor, entries: Entries, weights: Weights) -> Tensor:
        """Codes at the entries from `values` there; `score` are the scores there, with gradients."""
        return entries.gate(values)

    def inference(self) -> Rule:
        """The rule for single tokens after training."""
        return self

    def after_step(self, weights: Weights) -> None:
        """Change weights, in place, after the optimiser wrote them."""

    def initial_threshold(self) -> float:
        """What `threshold` holds before training; NaN: not set."""
        return float("nan")

    def check_width(self, d_dict: int) -> None:
        """Refuse a number of latents that the rule cannot work with."""


@block("rule", "positive")
@dataclass(frozen=True)
class Positive(Rule):
    """Every latent whose score is positive."""

    def choose(self, score: Tensor, weights: Weights) -> Entries:
        return passing(score, 0.0)


@block("rule", "latent_threshold")
@dataclass(frozen=True)
class LatentThreshold(Rule):
    """JumpReLU: latents whose score exceeds a learned threshold of their own.

    The threshold gets a straight-through gradient with the rectangle kernel K(u) = 1[|u| < 1/2] of width `bandwidth`:
    `d f / d theta_i = -(theta_i / bandwidth) K((z_i - theta_i) / bandwidth)`
    (Rajamanoharan et al. 2024, "Jumping ahead", equation 11). Both numbers are in units of the preprocessed input.
    """

    bandwidth: float = 0.001
    initial: float = 0.001

    threshold: ClassVar[Literal["latent", "scalar"] | None] = "latent"
    learned: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.bandwidth > 0:
            raise CompositionError("the kernel needs a positive width", field="rule.bandwidth")

    def choose(self, score: Tensor, weights: Weights) -> Entries:
        return passing(score, weights["threshold"])

    def reach(self, score: Tensor, weights: Weights) -> Entries:
        return passing(score, weights["threshold"] - self.bandwidth / 2)

    def let_through(self, values: Tensor, score: Tensor, entries: Entries, weights: Weights) -> Tensor:
        theta = entries.per_latent(weights["threshold"])
        result: Tensor = _Jump.apply(values, score.detach(), theta, self.bandwidth)  # type: ignore[no-untyped-call]
        return result

    @torch.no_grad()
    def after_step(self, weights: Weights) -> None:
        weights["threshold"].clamp_(min=0)

    def initial_threshold(self) -> float:
        return self.initial


@block("rule", "scalar_threshold")
@dataclass(frozen=True)
class ScalarThreshold(Rule):
    """Latents whose score exceeds one threshold, the same for all; it is not learned."""

    threshold: ClassVar[Literal["latent", "scalar"] | None] = "scalar"

    def choose(self, score: Tensor, weights: Weights) -> Entries:
        threshold = weights["threshold"]
        if threshold.isnan().any():
            raise CheckpointError(
                "the threshold of this batch rule was never set, so single tokens cannot be encoded",
                field="threshold",
                remedy="train until the threshold controller has seen a batch, or set `threshold`",
            )
        return passing(score, threshold)


@block("rule", "row_topk")
@dataclass(frozen=True)
class RowTopK(Rule):
    """The `k` best latents of every token (Gao et al. 2024, "Scaling and evaluating sparse autoencoders")."""

    k: int

    per_latent: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_budget(self.k)

    def choose(self, score: Tensor, weights: Weights) -> Entries:
        return Entries.slots(score, score.topk(self.k, dim=1, sorted=False).indices)

    def check_width(self, d_dict: int) -> None:
        check_budget(self.k, d_dict)


@block("rule", "group_max")
@dataclass(frozen=True)
class GroupMax(Rule):
    """The best latent of each of `k` groups of neighbouring latents, all of one size (EleutherAI's sparsify)."""

    k: int

    def __post_init__(self) -> None:
        check_budget(self.k)

    def choose(self, score: Tensor, weights: Weights) -> Entries:
        size = score.shape[1] // self.k
        starts = torch.arange(0, score.shape[1], size, device=score.device)
        return Entries.slots(score, score.view(-1, self.k, size).argmax(2) + starts)

    def check_width(self, d_dict: int) -> None:
        check_budget(self.k, d_dict)
        if d_dict % self.k:
            raise CompositionError(f"{d_dict} latents do not split into {self.k} groups of one size", field="rule.k")


@block("rule", "batch_topk")
@dataclass(frozen=True)
class BatchTopK(Rule):
    """The `n k` best entries of a batch of `n` tokens (Bussmann et al. 2024, "BatchTopK sparse autoencoders").

    Single tokens are encoded with one threshold, the mean over batches of the smallest kept score, which a controller
    tracks.
    """

    k: int

    threshold: ClassVar[Literal["latent", "scalar"] | None] = "scalar"
    needs_controller: ClassVar[bool] = True
    batch_coupled: ClassVar[bool] = True
    per_latent: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_budget(self.k)

    def choose(self, score: Tensor, weights: Weights) -> Entries:
        return best_of_batch(score, self.k * len(score))

    def inference(self) -> Rule:
        return ScalarThreshold()

    def check_width(self, d_dict: int) -> None:
        check_budget(self.k, d_dict)


def check_budget(k: int, d_dict: int | None = None) -> None:
    """Refuse a budget that is not positive or exceeds the number of latents."""
    if k < 1 or (d_dict is not None and k > d_dict):
        bound = "" if d_dict is None else f" and at most d_dict = {d_dict}"
        raise CompositionError(f"k = {k}, but it must be at least 1{bound}", field="rule.k")


def passing(score: Tensor, threshold: Tensor | float) -> Entries:
    """Entries whose score exceeds `threshold`: a list when few do, judged by some tokens, else every pair."""
    sample = score[:: max(1, len(score) // 32)]
    if (sample > threshold).sum() > DENSE_ABOVE * sample.numel():
        return Entries.every(score, keep=score > threshold)
    return Entries.pairs(score, (score > threshold).view(-1).nonzero().squeeze(1))


def best_of_batch(score: Tensor, budget: int) -> Entries:
    """The `budget` largest of all scores `[n, d_dict]`, exactly.

    Some tokens give a guess of the cut that lets through about a quarter too many; if enough pass, the largest are
    among them, otherwise the guess is lowered.
    """
    flat = score.reshape(-1)
    sample = score[:: max(1, len(score) // 64)].reshape(-1)
    wanted = budget / flat.numel() * sample.numel()
    for excess in (1.25, 2.0):
        rank = int(excess * wanted) + 8
        if rank >= sample.numel():
            break
        guess = sample.topk(rank, sorted=False).values.min()
        near = (flat > guess).nonzero().squeeze(1)
        if len(near) >= budget:
            best = flat[near].topk(budget, sorted=False).indices
            return Entries.pairs(score, near[best].sort().values)
    return Entries.pairs(score, flat.topk(budget, sorted=False).indices.sort().values)


class _Jump(torch.autograd.Function):
    """`values` where score > theta, with the rectangle-kernel gradient for theta."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, score: Tensor, theta: Tensor, bandwidth: float) -> Tensor:
        open_ = score > theta
        ctx.save_for_backward(score, theta, open_)
        ctx.bandwidth = bandwidth
        return torch.where(open_, values, 0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        score, theta, open_ = ctx.saved_tensors
        window = (score - theta).abs() < ctx.bandwidth / 2
        grad_theta = -(theta / ctx.bandwidth) * torch.where(window, grad, 0)
        return torch.where(open_, grad, 0), None, grad_theta.sum_to_size(theta.shape), None
