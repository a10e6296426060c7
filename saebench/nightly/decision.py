"""What counts as a change, on arrays alone: one family of cells, each with a difference, its p and its margin.

A cell moved when its Holm-adjusted p over the family is below 5 % and the change exceeds the margin: it must be more
than chance of the items and more than what seeds do. A move is believed only when a second family, of the cells that
moved and under seeds that tonight had not used, says the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special

from saebench.stats import holm
from saebench.stats.clusters import RESAMPLES
from saebench.stats.paired import POWER_FACTOR

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


def smallest_detectable(single: float, margin: float, tests: int) -> float:
    """Smallest true change that takes both hurdles with 80 % power.

    Args:
        single: smallest difference that one test at 5 % finds with that power (`Difference.detectable`).
        margin: of the cell.
        tests: cells in the family; the most that Holm asks of any is p < 5 % / tests.
    """
    error = single / POWER_FACTOR
    power = float(special.ndtri(POWER))
    strictest = float(special.ndtri(1 - ALPHA / (2 * tests)))
    return max(margin + power * error, (strictest + power) * error)


def can_show(clusters: int, tests: int) -> bool:
    """Whether a paired test of so many clusters can reach p < 5 % / tests at all.

    The smallest p is that of all signs alike, 2^(1 - n), as far as the random flips or Hoeffding's bound show it.
    """
    flips = max(2.0 ** (1 - clusters), 1 / (RESAMPLES + 1))
    return min(flips, 2 * float(np.exp(-clusters / 2))) < ALPHA / tests
