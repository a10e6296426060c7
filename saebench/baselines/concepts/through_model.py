"""Training one vector at a site through the language model above it.

The layers below the site never run: the texts' activations are known, are edited, and the model resumes from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor

from saebench.baselines.concepts.method import Lesson
from saebench.baselines.concepts.texts import ConceptTexts
from saebench.lm.model import LanguageModel

CLIP = 1.0
"""Largest length of a gradient."""
INITIAL = 0.01
"""Standard deviation of the initial weights."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Some texts on the model's device: `x` `[b, T, d]` float32, `mask` and `tokens` `[b, T]`."""

    x: Tensor
    mask: Tensor
    tokens: Tensor
    entry: Tensor | None


Edit = Callable[[Tensor, Batch], tuple[Tensor, Tensor]]
"""(weights `[d]`, batch) to (edited activations `[b, T, d]`, penalty)."""


def train_vector(
    lesson: Lesson,
    texts: ConceptTexts,
    edit: Edit,
    *,
    epochs: int,
    batch: int,
    lr: float,
    unit_norm: bool,
    penalty: float = 0.0,
) -> tuple[Tensor, list[float]]:
    """The weights `[d]` on the CPU that make texts most predictable, and the loss of each step.

    loss = mean cross-entropy in nats of the tokens that count + penalty * step / steps * penalty of the edit

    AdamW without weight decay, its rate falling linearly to 0, gradients clipped. With `unit_norm`, after each backward
    pass the weights are divided by their length and the part of the gradient along them is taken out (AxBench).

    Args:
        lesson: seeds and the model.
        texts: what is predicted.
        edit: what the weights do.
        epochs, batch: passes over the texts, and texts in a step.
        lr: initial rate.
        unit_norm: the weights are a direction.
        penalty: weight of the edit's penalty at the last step.
    """
    lm = lesson.model()
    generator = lesson.generator("training")
    weights = (INITIAL * torch.randn(texts.width, generator=generator)).to(lm.device).requires_grad_(True)
    steps = epochs * -(-len(texts) // batch)
    optimiser = torch.optim.AdamW([weights], lr=lr, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
    losses = []
    with torch.inference_mode(False), torch.enable_grad():
        for step, some in enumerate(batches(texts, epochs, batch, generator, lm)):
            edited, extra = edit(weights, some)
            fit = prediction_loss(lm, texts.site, edited, some)
            loss = fit + penalty * (step / steps) * extra
            loss.backward()  # type: ignore[no-untyped-call]
            if unit_norm:
                project(weights)
            torch.nn.utils.clip_grad_norm_([weights], CLIP)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            losses.append(float(fit.detach()))
    return weights.detach().cpu(), losses


@torch.no_grad()
def project(weights: Tensor) -> None:
    """Give weights `[d]` unit length and take the part along them out of their gradient, in place."""
    weights.div_(weights.norm())
    assert weights.grad is not None
    weights.grad.sub_(weights * (weights @ weights.grad))


def batches(
    texts: ConceptTexts, epochs: int, size: int, generator: torch.Generator, lm: LanguageModel
) -> Iterator[Batch]:
    """Texts in a new order in each epoch, `size` at a time, cut to the longest of them."""
    for _ in range(epochs):
        order = torch.randperm(len(texts), generator=generator)
        for start in range(0, len(texts), size):
            rows = order[start : start + size]
            mask = texts.mask[rows]
            width = int(mask.any(0).nonzero().max()) + 1
            yield Batch(
                texts.x[rows, :width].to(lm.device).float().clone(),
                mask[:, :width].to(lm.device),
                texts.tokens[rows, :width].to(lm.device),
                texts.entry[rows, :width].to(lm.device).clone() if texts.entry is not None else None,
            )


def prediction_loss(lm: LanguageModel, site: str, x: Tensor, some: Batch) -> Tensor:
    """Mean cross-entropy in nats of the tokens that count, when the site has the activations `x` `[b, T, d]`."""
    logits = lm.resume(site, x, some.tokens, some.entry)
    counted = some.mask[:, 1:]
    return functional.cross_entropy(logits[:, :-1][counted].float(), some.tokens[:, 1:][counted])
