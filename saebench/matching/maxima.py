"""The largest cosine of a direction with m random ones: what maximal-cosine distributions are held against.

With S the tail function of the cosine of two random directions in d dimensions (of |cos| where unsigned), the quantile
p of the largest of m is where S = 1 - p^(1/m).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.stats import beta

from saebench.matching.cosines import Array

GRID = 4000
"""Quantiles whose mean is the expectation."""


@dataclass(frozen=True)
class LargestCosine:
    """The distribution of the largest cosine with `m` random directions in `d` dimensions."""

    m: int
    d: int
    signed: bool

    def quantiles(self, p: Array) -> Array:
        """The cosine below which a share `p` of them lies, strictly between 0 and 1."""
        above = -np.expm1(np.log(np.asarray(p, dtype=np.float64)) / self.m)
        if not self.signed:
            return np.asarray(np.sqrt(beta.isf(above, 0.5, (self.d - 1) / 2)))
        upper = np.minimum(above, 1 - above)
        return np.asarray(np.sign(0.5 - above) * np.sqrt(beta.isf(2 * upper, 0.5, (self.d - 1) / 2)))

    @property
    def mean(self) -> float:
        """Its expectation."""
        return expectation(self)


@lru_cache(maxsize=256)
def expectation(of: LargestCosine) -> float:
    """The mean of evenly spaced quantiles; 1 in one dimension without signs."""
    if of.d < 2:
        return 1.0 if not of.signed else float(1 - 2 * 0.5**of.m)
    return float(of.quantiles((np.arange(GRID) + 0.5) / GRID).mean())
