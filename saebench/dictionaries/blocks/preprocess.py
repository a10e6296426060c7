"""Preprocessing: one number by which activations are multiplied before a dictionary sees them.

It is fitted once on training activations and folded away afterwards, so that a finished dictionary reads raw ones.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass

from torch import Tensor

from saebench.dictionaries.blocks.block import Block, block


class Preprocess(Block, abc.ABC):
    """Base of the slot."""

    @abc.abstractmethod
    def fit(self, sample: Tensor) -> float:
        """The scale for activations like `sample` `[n, d]`."""


@block("preprocess", "none")
@dataclass(frozen=True)
class Raw(Preprocess):
    """Activations as they are."""

    def fit(self, sample: Tensor) -> float:
        return 1.0


@block("preprocess", "mean_scale")
@dataclass(frozen=True)
class MeanScale(Preprocess):
    """Scaled so that the mean norm is sqrt(d): `s = sqrt(d) / E||x||` (Anthropic, April 2024 update)."""

    def fit(self, sample: Tensor) -> float:
        return float(sample.shape[1] ** 0.5 / sample.cpu().double().norm(dim=1).mean())


@block("preprocess", "unit_scale")
@dataclass(frozen=True)
class UnitScale(Preprocess):
    """Scaled so that the mean squared norm is 1: `s = 1 / sqrt(E||x||^2)` (Rajamanoharan et al. 2024)."""

    def fit(self, sample: Tensor) -> float:
        return float(sample.cpu().double().square().sum(1).mean().rsqrt())
