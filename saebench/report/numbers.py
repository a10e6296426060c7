"""How numbers are written: digits that follow the doubt, and labels that people read."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median
from typing import Protocol

ACRONYMS = {
    word.lower(): word
    for word in (
        "L0", "L1", "L2", "F1", "FVU", "KL", "CE", "MSE", "AUC", "AUROC", "MCC", "MMCS", "RSA", "CKA", "SVCCA", "MDAS",
        "SCR", "TPP", "PCA", "ITDA",
    )
}  # fmt: skip
MOST_DECIMALS = 4
DASH = "\u2013"


class Measured(Protocol):
    """A number with its interval: a metric of a result, an estimate, a difference."""

    @property
    def value(self) -> float | None: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def label(metric: str) -> str:
    """A metric's name as a heading: `ce_spliced` becomes "CE spliced", `loss_recovered` "Loss recovered"."""
    words = [ACRONYMS.get(word, word) for word in metric.split("_")]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def decimals(values: Iterable[Measured]) -> int:
    """How many decimals a column of one metric deserves, 0 to 4.

    The median half-width of its intervals keeps two significant digits where they are below 36, else one (the
    rounding rule of the Particle Data Group, Review of Particle Physics, introduction); without intervals, the median
    value keeps three.
    """
    values = list(values)
    halves = [(v.high - v.low) / 2 for v in values if v.low is not None and v.high is not None and v.high > v.low]
    if halves:
        half = median(halves)
        leading = half / 10 ** math.floor(math.log10(half))
        return _places(half, significant=2 if leading < 3.55 else 1)
    sizes = [abs(v.value) for v in values if v.value]
    return _places(median(sizes), significant=3) if sizes else 0


def _places(size: float, significant: int) -> int:
    return min(MOST_DECIMALS, max(0, significant - 1 - math.floor(math.log10(size))))


def fixed(value: float, places: int) -> str:
    """`value` with a fixed number of decimals, thousands separated, a true minus sign, no negative zero.

    Values too large for a column (1e7 and more) are written with an exponent.
    """
    if abs(value) >= 1e7:
        return f"{value:.2e}".replace("-", "\u2212")
    text = f"{value:,.{places}f}"
    if not any(digit in text for digit in "123456789"):
        return text.lstrip("-")
    return text.replace("-", "\u2212")


def interval(value: Measured, places: int) -> str | None:
    """``[low, high]``, or None where there is none."""
    if value.low is None or value.high is None:
        return None
    return f"[{fixed(value.low, places)}, {fixed(value.high, places)}]"


def with_interval(value: Measured, places: int) -> str:
    """``0.912 [0.905, 0.919]``; a dash for an undefined value."""
    if value.value is None:
        return DASH
    parts = [fixed(value.value, places), interval(value, places)]
    return " ".join(part for part in parts if part)


def exact(value: float) -> str:
    """The shortest text that reads back as the same number (for sorting and for titles)."""
    return repr(float(value))
