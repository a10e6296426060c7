"""Made-up cells for tests of what is decided about them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from saebench.nightly.comparing import Cell, Compared
from saebench.nightly.differences import Side, difference, same_items
from saebench.nightly.margins import Margin
from saebench.results.items import ItemTable
from saebench.tasks.contract import Metric

QUALITY = Metric("quality", "mean score", {"score": 1}, {"1": 1}, "documents", direction="up", low=0.0, high=1.0)


SCORED = SimpleNamespace(
    subject=SimpleNamespace(fingerprint="f" * 32),
    identity=SimpleNamespace(lm="a" * 32),
    site="blocks.0.hook_resid_post",
)
"""What the history reads of a result."""


def table(scores, prefix="doc") -> ItemTable:
    names = tuple(f"{prefix}{number}" for number in range(len(scores)))
    return ItemTable(names, names, {"score": np.asarray(scores, dtype=float)})


def compared(name, then, now, *, margin=0.02, direction="up") -> Compared:
    """A cell of one subject whose items had the scores `then` and have the scores `now`."""
    sides = [Side(QUALITY, table(now)), Side(QUALITY, table(then))]
    return Compared(
        cell=Cell(name, "toy@1", "", "quality"),
        key=name,
        direction=direction,
        difference=difference(*sides, seed="toy@1", matched=True),
        paired=True,
        same=same_items(*sides),
        margin=Margin(margin, "made up"),
        scored=SCORED,
    )
