"""Which latent stands for which feature: by the direction of its atom alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from saebench.matching import Mcc, UnitRows, mcc_of, nearest, random_null, unit_rows
from saebench.matching.cosines import Rows

Array = np.ndarray[Any, Any]
NONE = -1

NullOf = Callable[[int], float]
"""Mean matched |cosine| with the true directions of so many random atoms."""

SIMULATED = 2048
"""Most rows of a null that is simulated against the true directions; above, they are taken for random ones, which they
nearly are: many more directions than dimensions cannot be pushed apart."""
DRAWS = 32
LEAST_DRAWS = 4


@dataclass(frozen=True, eq=False)
class Found:
    """Atoms of L latents held against F true directions.

    Attributes:
        atoms: unit rows `[L, d]`.
        best: the feature that each latent is nearest to by |cosine|, `[L]`; -1 for a zero atom.
        cosine: that |cosine|, `[L]`.
        claimed: the latent that stands for each feature, `[F]`: of those nearest to it, the one with the largest
            |cosine|; -1 where it is nobody's nearest: the feature is missed.
        closest: the latent with the largest |cosine| to each feature, `[F]`, whatever else it is near to.
        reach: that |cosine|, `[F]`.
        matched, matched_signed: one-to-one assignments of latents and features.
        null: mean matched |cosine| of as many random atoms with the same directions.
    """

    atoms: UnitRows
    best: Array
    cosine: Array
    claimed: Array
    closest: Array
    reach: Array
    matched: Mcc
    matched_signed: Mcc
    null: float


def found(atoms: Rows, directions: Rows, null_of: NullOf) -> Found:
    """Hold atoms `[L, d]` against directions `[F, d]`.

    Raises:
        ValueError: the widths differ, or there is NaN or an infinity.
    """
    latents, truth = unit_rows(atoms, warn=False), unit_rows(directions)
    cosine, best = nearest(latents, truth, signed=False)
    best = np.where(latents.zero, NONE, best)
    reach, closest = nearest(truth, latents, signed=False)
    claimed = np.full(len(truth), NONE)
    for latent in np.lexsort((-np.arange(len(best)), cosine)).tolist():
        if best[latent] != NONE:
            claimed[best[latent]] = latent
    return Found(
        atoms=latents,
        best=best,
        cosine=cosine,
        claimed=claimed,
        closest=closest,
        reach=reach,
        matched=mcc_of(latents, truth, signed=False),
        matched_signed=mcc_of(latents, truth, signed=True),
        null=null_of(len(latents)),
    )


def simulated_null(latents: int, directions: Rows) -> float:
    """Mean matched |cosine| of random unit atoms with true directions `[F, d]`, over seeded draws.

    Directions that were pushed apart leave fewer gaps than random ones: the null of two random dictionaries
    (`random_null`) would be too low, by .01 for 48 directions in 24 dimensions.
    """
    truth = unit_rows(directions)
    size = max(latents, len(truth))
    if size > SIMULATED:
        return random_null(latents, len(truth), truth.width, signed=False).mean
    draw = np.random.Generator(np.random.PCG64([latents, len(truth), truth.width]))
    count = min(DRAWS, max(LEAST_DRAWS, LEAST_DRAWS * SIMULATED // size))
    drawn = (unit_rows(draw.standard_normal((latents, truth.width))) for _ in range(count))
    return float(np.mean([mcc_of(atoms, truth, signed=False).value for atoms in drawn]))
