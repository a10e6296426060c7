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
from saebench.dictionaries.entries import Entries
from saebench.errors import CheckpointError, CompositionError


class Rule(Block, abc.ABC):
    """Base of the slot.

    Attributes:
        threshold: shape of the tensor `threshold` that the rule reads: one a latent, one for all, or none.
        learned: that tensor is a parameter (otherwise a buffer that a controller sets).
        needs_controller: that tensor has no value unless a controller tracks it in training.
        batch_coupled: the choice for a token depends on the other tokens.
    """

    threshold: ClassVar[Literal["latent", "scalar"] | None] = None
    learned: ClassVar[bool] = False
    needs_controller: ClassVar[bool] = False
    batch_coupled: ClassVar[bool] = False

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
        return passing(score, weights["threshold"], margin=self.bandwidth / 2)

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

    def __post_init__(self) -> None:
        check_budget(self.k)

    def choose(self, score: Tensor, weights: Weights) -> Entries:
        return Entries.of(score, score.topk(self.k, dim=1, sorted=False).indices)

    def check_width(self, d_dict: int) -> None:
        check_budget(self.k, d_dict)


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

    def __post_init__(self) -> None:
        check_budget(self.k)

    def choose(self, score: Tensor, weights: Weights) -> Entries:
        return best_of_batch(score, self.k)

    def inference(self) -> Rule:
        return ScalarThreshold()

    def check_width(self, d_dict: int) -> None:
        check_budget(self.k, d_dict)


def check_budget(k: int, d_dict: int | None = None) -> None:
    """Refuse a budget that is not positive or exceeds the number of latents."""
    if k < 1 or (d_dict is not None and k > d_dict):
        bound = "" if d_dict is None else f" and at most d_dict = {d_dict}"
        raise CompositionError(f"k = {k}, but it must be at least 1{bound}", field="rule.k")


SLOTS_BELOW = 0.1
"""Thresholds compute slots when the fullest token passes a smaller fraction of latents, else every pair."""


def passing(score: Tensor, threshold: Tensor | float, margin: float = 0.0) -> Entries:
    """Entries whose score exceeds `threshold`, and those within `margin` of it, which are computed but not kept."""
    keep = score > threshold
    near = score > threshold - margin if margin else keep
    slots = int(near.sum(1, dtype=torch.int32).max()) if near.numel() else 0
    if slots > SLOTS_BELOW * score.shape[1]:
        return Entries.of(score, keep=keep)
    latents = (score - threshold).topk(slots, dim=1, sorted=False).indices
    return Entries.of(score, latents, keep.gather(1, latents))


def best_of_batch(score: Tensor, k: int) -> Entries:
    """The `n k` largest of all scores `[n, d_dict]`, exactly.

    In two stages: the `m` best of each token, then the best of those. An entry outside the first stage can only be
    missing when a token's m-th score lies above the cut, and then the first stage is repeated with twice the `m`.
    """
    n, width = score.shape
    m = min(4 * k, width)
    while True:
        best, latents = score.topk(m, dim=1)
        chosen = best.reshape(-1).topk(n * k, sorted=False)
        cut = chosen.values.min()
        if m == width or not (best[:, -1] > cut).any():
            break
        m = min(2 * m, width)
    keep = torch.zeros(n * m, dtype=torch.bool, device=score.device)
    keep[chosen.indices] = True
    keep = keep.view(n, m)
    slots = int(keep.sum(1).max())
    return Entries(n, width, latents[:, :slots].contiguous(), keep[:, :slots].contiguous())


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
