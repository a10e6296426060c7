"""What two random dictionaries score: unit rows drawn uniformly from the sphere, matched as real ones are.

Up to 2,048 rows a side the null is simulated. Above, both sides are shrunk by one factor until the larger has 2,048
rows, that problem is simulated, and its mean is carried over by the rule that a matched cosine has the same rank among
the cosines of its row: with S the tail function of the cosine of two random directions in d dimensions (of |cos| where
unsigned), S(null of m rows) m = S(null of 2,048 rows) 2,048. The standard deviation is carried over with the square
root of the number of pairs. `tests/matching/test_nulls.py` holds both against simulations at full size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.stats import beta

from saebench.matching.assignment import assign
from saebench.matching.cosines import Array, unit_rows

SIMULATED = 2048
"""Most rows of a simulated side."""
DRAWS = 4
"""Pairs of random dictionaries of the largest simulated size; smaller ones are drawn as often as gives about as many
rows, up to `MOST_DRAWS`."""
MOST_DRAWS = 64


@dataclass(frozen=True)
class Null:
    """Mean matched cosine of random dictionaries."""

    mean: float
    sd: float
    """Between draws of two dictionaries."""
    draws: int
    how: str
    """`simulated`, or `carried over from` the simulated sizes."""


@lru_cache(maxsize=1024)
def random_null(n: int, m: int, d: int, *, signed: bool, seed: int = 0) -> Null:
    """The null for dictionaries of n and m rows in d dimensions. The same for the same arguments, wherever it runs.

    Raises:
        ValueError: a size is not positive.
    """
    if min(n, m, d) < 1:
        raise ValueError(f"there is no random dictionary of {n} or {m} rows in {d} dimensions")
    if n > m:
        return random_null(m, n, d, signed=signed, seed=seed)
    if m <= SIMULATED:
        values = simulate(n, m, d, signed, seed)
        return Null(float(values.mean()), float(values.std(ddof=1)), len(values), "simulated")
    few = max(1, round(n * SIMULATED / m))
    values = simulate(few, SIMULATED, d, signed, seed)
    rank = tail(float(values.mean()), d, signed) * SIMULATED
    sd = float(values.std(ddof=1)) * np.sqrt(few / n)
    how = f"carried over from {few} x {SIMULATED}"
    return Null(at_tail(rank / m, d, signed), float(sd), len(values), how)


def calibrated(value: float, null: float) -> float:
    """(value - null) / (1 - null).

    Raises:
        ValueError: the null is 1 (d = 1), where nothing can be told from chance.
    """
    if null >= 1:
        raise ValueError("random rows match perfectly: nothing can be told from chance")
    return (value - null) / (1 - null)


def simulate(n: int, m: int, d: int, signed: bool, seed: int) -> Array:
    """Mean matched cosine of seeded pairs of random dictionaries, `[draws]`."""
    count = min(MOST_DRAWS, DRAWS * SIMULATED // m)
    generator = torch.Generator().manual_seed(seed)
    means = []
    for _ in range(count):
        a, b = (unit_rows(torch.randn(rows, d, generator=generator, dtype=torch.float64)) for rows in (n, m))
        means.append(assign(a, b, signed=signed).mean)
    return np.array(means)


def tail(cosine: float, d: int, signed: bool) -> float:
    """Probability that two random directions in d dimensions have a larger cosine (a larger |cos|): cos^2 is
    Beta(1/2, (d - 1)/2)."""
    both = float(beta.sf(cosine**2, 0.5, (d - 1) / 2))
    if not signed:
        return both
    return both / 2 if cosine >= 0 else 1 - both / 2


def at_tail(probability: float, d: int, signed: bool) -> float:
    """The inverse of `tail`, for the upper half where signed."""
    return float(np.sqrt(beta.isf(probability * (2 if signed else 1), 0.5, (d - 1) / 2)))
