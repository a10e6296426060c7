"""Texts with activations that are made up: tokens of a Gaussian, positives shifted along a known direction."""

from __future__ import annotations

import numpy as np
import torch

from saebench.baselines.concepts.method import Lesson
from saebench.baselines.concepts.texts import ConceptTexts

D = 12
SITE = "blocks.0.hook_resid_post"


def concept_texts(x: torch.Tensor, counts: np.ndarray, strings: tuple[str, ...] = ()) -> ConceptTexts:
    """Texts of `counts` tokens each, cut from tokens `x` `[tokens, d]` in their order; position 0 never counts."""
    width = 1 + int(counts.max())
    rows = torch.full((len(counts), width, x.shape[1]), 55.0)
    mask = torch.zeros(len(counts), width, dtype=torch.bool)
    for row, part in enumerate(torch.split(x, counts.tolist())):
        rows[row, 1 : 1 + len(part)] = part
        mask[row, 1 : 1 + len(part)] = True
    return ConceptTexts(rows, mask, mask.long(), strings, SITE)


def planted(n: int = 60, strength: float = 3.0, seed: int = 0, noise: float = 1.0) -> tuple[Lesson, torch.Tensor]:
    """A lesson of `n` texts in turn, and the unit direction along which all tokens of positives are shifted."""
    draw = torch.Generator().manual_seed(seed)
    direction = torch.nn.functional.normalize(torch.randn(D, generator=draw), dim=0)
    y = np.arange(n) % 2
    counts = np.random.default_rng(seed).integers(2, 9, n)
    x = noise * torch.randn(int(counts.sum()), D, generator=draw)
    x = x + strength * torch.from_numpy(np.repeat(y, counts))[:, None] * direction
    strings = tuple(f"text {row} about {'whales' if label else 'taxes'}" for row, label in enumerate(y))
    return Lesson(concept_texts(x.float(), counts, strings), y, f"seed {seed}"), direction
