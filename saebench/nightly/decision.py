"""What counts as a change, on arrays alone: one family of cells, each with a difference, its p and its margin.

A cell moved when its Holm-adjusted p over the family is below 5 % and the change exceeds the margin: it must be more
than chance of the items and more than what seeds do. A move is believed only when a second family, of the cells that
moved and under seeds that tonight had not used, says the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from saebench.stats import holm
from saebench.stats.clusters import RESAMPLES
from saebench.stats.paired import EXACT_CLUSTERS, POWER_FACTOR

ALPHA = 0.05
"""Family-wise chance that a cell without any change has a p this small."""
POWER = 0.80
"""With which the smallest detectable difference is found."""


def moved(gains: Sequence[float], p_values: Sequence[float], margins: Sequence[float]) -> list[int]:
    """-1 where a cell fell, 1 where it rose, 0 where neither can be said, for each cell of one family.

    Args:
        gains: tonight minus the reference, turned round where lower is better: below 0 is worse.
        p_values: two-sided, of no change; not adjusted.
        margins: smallest change that matters.
    """
    adjusted = holm(dict(enumerate(p_values)))
    return [
        int(np.sign(gain)) if adjusted[cell] < ALPHA and abs(gain) > margin else 0
        for cell, (gain, margin) in enumerate(zip(gains, margins, strict=True))
    ]


def smallest_detectable(single: float, margin: float, tests: int, clusters: int) -> float:
    """Smallest true change that takes both hurdles with about 80 % power.

    The strictest that Holm asks is p < 5 % / tests. With t its Student quantile at n - 1 degrees of freedom, the change
    is t + z_0.8 sqrt(1 + t^2 / (2 (n - 1))) standard errors (the normal approximation of the noncentral t). Where
    clusters are so few that one of the wrong sign is too many for a paired test, all of them must have the right one.

    Args:
        single: smallest difference that one test at 5 % finds with that power (`Difference.detectable`).
        margin: of the cell.
        tests: cells in the family.
        clusters: independent units behind the difference.
    """
    error = single / POWER_FACTOR
    power = float(special.ndtri(POWER))
    strictest = float(special.stdtrit(clusters - 1, 1 - ALPHA / (2 * tests)))
    spread = math.sqrt(1 + strictest**2 / (2 * (clusters - 1)))
    smallest = max(margin + power * error, (strictest + power * spread) * error)
    if sign_patterns(clusters, tests) > clusters:
        return smallest
    return max(smallest, float(special.ndtri(POWER ** (1 / clusters))) * error * math.sqrt(clusters))


def sign_patterns(clusters: int, tests: int) -> float:
    """Of all 2^(n - 1) patterns of signs, how many may be as extreme as the one that was seen."""
    return ALPHA / tests * 2.0 ** min(clusters - 1, 1000)


def can_show(clusters: int, tests: int) -> bool:
    """Whether a paired test of so many clusters reaches p < 5 % / tests when all of them say the same.

    The smallest p is that of all signs alike, 2^(1 - n), exactly so up to `EXACT_CLUSTERS` clusters. With more it is
    estimated from random flips, of which a few more than expected may hit that pattern (two standard deviations);
    Hoeffding's bound needs none.
    """
    if clusters <= EXACT_CLUSTERS:
        return 2.0 ** (1 - clusters) < ALPHA / tests
    hits = RESAMPLES * 2.0 ** (1 - clusters)
    flips = (1 + hits + 2 * math.sqrt(hits)) / (1 + RESAMPLES)
    return min(flips, 2 * math.exp(-clusters / 2)) < ALPHA / tests
