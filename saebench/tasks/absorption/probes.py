"""Ground truth of `absorption@1`: one linear probe a letter on the activations of the words' last tokens.

26 one-against-the-rest logistic probes trained together with sae-bench's settings: Adam from .01 to .00001, weight
decay .0001, 50 epochs of batches of 64, positives weighted by negatives / positives. Activations are divided by one
number first (root mean square of their coordinates), so that the settings mean the same for every model and site; the
direction of a probe does not change by that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from saebench.tasks.absorption.words import LETTERS

Array = np.ndarray[Any, Any]

EPOCHS = 50
BATCH = 64
RATE, LAST_RATE = 1e-2, 1e-5
WEIGHT_DECAY = 1e-4


@dataclass(frozen=True, eq=False)
class Probes:
    """A linear probe for each of 26 letters: logits = weights @ x + biases.

    Attributes:
        weights: float64 `[26, d]`; zero for a letter without a training word.
        biases: float64 `[26]`.
    """

    weights: Array
    biases: Array

    def logits(self, x: Array) -> Array:
        """`[n, 26]` for activations `[n, d]`."""
        logits: Array = x.astype(np.float64) @ self.weights.T + self.biases
        return logits

    @property
    def directions(self) -> Array:
        """Unit vectors `[26, d]`."""
        norms = np.linalg.norm(self.weights, axis=1, keepdims=True)
        directions: Array = self.weights / np.where(norms > 0, norms, 1.0)
        return directions


def train_probes(x: Array, letters: Array, seed: int) -> Probes:
    """Probes on activations `[n, d]` of words with these first letters `[n]`; the same for the same seed."""
    scale = coordinate_size(x)
    inputs = torch.from_numpy(np.asarray(x, dtype=np.float32)) / scale
    wanted = torch.from_numpy(letters[:, None] == np.arange(len(LETTERS))).float()
    positives = wanted.sum(0)
    weight = (len(wanted) - positives) / positives.clamp(min=1)
    generator = torch.Generator().manual_seed(seed)
    bound = inputs.shape[1] ** -0.5
    weights, biases = (
        nn.Parameter((2 * torch.rand(shape, generator=generator) - 1) * bound)
        for shape in ((len(LETTERS), inputs.shape[1]), (len(LETTERS),))
    )
    optimiser = torch.optim.Adam([weights, biases], lr=RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, (LAST_RATE / RATE) ** (1 / EPOCHS))
    loss = nn.BCEWithLogitsLoss(pos_weight=weight)
    with torch.enable_grad():
        for _ in range(EPOCHS):
            for batch in torch.split(torch.randperm(len(inputs), generator=generator), BATCH):
                optimiser.zero_grad()
                loss(inputs[batch] @ weights.T + biases, wanted[batch]).backward()
                optimiser.step()
            schedule.step()
    known = (positives > 0).double()
    return Probes(
        weights=as_array(weights.detach().double() * known[:, None] / scale),
        biases=as_array(biases.detach().double() * known - (1 - known)),
    )


def coordinate_size(x: Array) -> float:
    """Root mean square of all coordinates, 1 where all are zero."""
    return float(np.sqrt(np.square(x, dtype=np.float64).mean())) or 1.0


def as_array(tensor: Tensor) -> Array:
    """A tensor as a numpy array on the CPU."""
    array: Array = tensor.cpu().numpy()
    return array


def f1_of(wanted: Array, found: Array) -> float:
    """F1 of two bool arrays, 0 where both are empty."""
    return float(2 * (wanted & found).sum() / max(int(wanted.sum() + found.sum()), 1))


@dataclass(frozen=True)
class Quality:
    """How well one letter's probe does on held-out words; None where a side is empty."""

    f1: float | None
    auc: float | None
    words: int
    true_positives: int


def qualities(logits: Array, letters: Array) -> tuple[Quality, ...]:
    """Quality of each letter's probe from its logits `[n, 26]` on words with these first letters `[n]`."""
    made = []
    for letter in range(len(LETTERS)):
        wanted, found = letters == letter, logits[:, letter] > 0
        f1 = f1_of(wanted, found) if wanted.any() else None
        auc = float(roc_auc_score(wanted, logits[:, letter])) if 0 < wanted.sum() < len(wanted) else None
        made.append(Quality(f1, auc, int(wanted.sum()), int((wanted & found).sum())))
    return tuple(made)
