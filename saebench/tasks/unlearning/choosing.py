"""Which latents belong to the topic, and latents that are as frequent for the control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from saebench.tasks.unlearning.edits import IntArray, LatentEdits, Latents
from saebench.tasks.unlearning.material import KINDS
from saebench.token_means.latents import like_frequent

if TYPE_CHECKING:
    from saebench.activations.sets import ActivationSet
    from saebench.dictionaries.contract import Dictionary
    from saebench.lm.model import LanguageModel

FloatArray = NDArray[np.float64]

ROWS = 16
"""Texts that are encoded at once."""


@dataclass(frozen=True)
class Firing:
    """How the latents of a dictionary fire on the corpora.

    Attributes:
        counts: tokens on which each latent is active, by kind of text, `[kinds, d_dict]`.
        tokens: tokens that count, by kind, `[kinds]`.
        mean: mean value of each latent on tokens of the topic on which it is active, 0 for those that never are.
    """

    counts: FloatArray
    tokens: FloatArray
    mean: FloatArray

    @property
    def frequency(self) -> FloatArray:
        """(count + 1) / (tokens + 2), by kind, `[kinds, d_dict]`: never 0."""
        return np.asarray((self.counts + 1) / (self.tokens[:, None] + 2))

    def of_topic(self, ratio: float) -> IntArray:
        """Latents at least `ratio` times as frequent on the topic as on either other kind, most excess tokens first.

        The excess is the frequency on the topic minus the larger of the two others; ties by index.
        """
        topic, *others = self.frequency
        rest = np.max(others, axis=0)
        excess = topic - rest
        order = np.argsort(-excess, kind="stable")
        kept = (topic >= ratio * rest) & (self.counts[0] > 0)
        return np.asarray(order[kept[order]], dtype=np.int64)


@torch.no_grad()
def firing(dictionary: Dictionary, acts: ActivationSet, kinds: NDArray[np.int64], lm: LanguageModel) -> Firing:
    """Encode the corpora once."""
    counts = np.zeros((len(KINDS), dictionary.d_dict))
    tokens = np.zeros(len(KINDS))
    total = np.zeros(dictionary.d_dict)
    for kind in range(len(KINDS)):
        for rows in np.split(of := np.flatnonzero(kinds == kind), range(ROWS, len(of), ROWS)):
            block = acts.block(int(rows[0]), int(rows[-1]) + 1)
            mask = torch.from_numpy(np.array(acts.mask[rows[0] : rows[-1] + 1]))
            codes = dictionary.encode(block[mask].to(lm.device, lm.dtype))
            counts[kind] += codes.fired().cpu().numpy()
            tokens[kind] += codes.n
            if kind == 0:
                total += codes.dense().sum(0, dtype=torch.float64).cpu().numpy()
    return Firing(counts, tokens, total / np.maximum(counts[0], 1))


def latent_sets(fired: Firing, ratios: Sequence[float], sizes: Sequence[int]) -> list[tuple[float, IntArray]]:
    """The first latents of the topic for each ratio and number, with the ratio; each set once, empty ones left out."""
    found: dict[tuple[int, ...], float] = {}
    for ratio in ratios:
        latents = fired.of_topic(ratio)
        for size in sizes:
            found.setdefault(tuple(latents[:size].tolist()), ratio)
    return [(ratio, np.array(latents, np.int64)) for latents, ratio in found.items() if latents]


def latent_edits(
    dictionary: Dictionary, fired: Firing, sets: Sequence[tuple[float, IntArray]], clamps: Sequence[float]
) -> LatentEdits:
    """Each set of latents with each clamp; number 0 edits none."""
    nothing = Latents(np.array([], np.int64), np.array([]), {"latents": 0})
    edits = [
        Latents(latents, -clamp * fired.mean[latents], {"latents": len(latents), "ratio": ratio, "clamp": clamp})
        for ratio, latents in sets
        for clamp in clamps
    ]
    return LatentEdits(dictionary, [nothing, *edits])


def as_frequent(fired: Firing, latents: IntArray, seed: str) -> IntArray:
    """For each latent another one that fires about as often on the topic's texts, whatever it does elsewhere."""
    return like_frequent(fired.frequency[0], latents, seed)
