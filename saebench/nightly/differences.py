"""Tonight minus the reference on one metric, with the doubt that its items leave.

Each side is a ratio by its own declaration: when the definition of a metric changes under the same version, tonight's
is computed by the new one, the reference's by the one that was kept with it, and the change shows as a difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saebench.results.items import ItemTable
from saebench.results.metrics import MetricLike, metric_bootstrap, metric_jackknife, metric_ratio, table_weights
from saebench.results.pair_tests import shared_items
from saebench.stats import (
    Difference,
    Ratio,
    cluster_weights,
    jackknife_difference,
    paired_difference,
    ratio_estimates,
    unpaired_difference,
)

ROUNDING = 1e-6
"""Items that differ by less than this share of the largest are the same: nothing but the processor changed."""


@dataclass(frozen=True)
class Side:
    """A metric as it was defined on one side, and the items that it is made of."""

    metric: MetricLike
    table: ItemTable

    @property
    def ratio(self) -> Ratio:
        """The declared ratio, item by item."""
        return metric_ratio(self.metric, self.table)


def difference(now: Side, then: Side, seed: str, matched: bool) -> Difference:
    """now - then.

    Args:
        now: tonight.
        then: the reference.
        seed: the task's name, which seeds the resamples.
        matched: whether an item of tonight is the same item of the reference; if not, both are taken as independent.

    Raises:
        ResultsError: an item lies in other clusters than it did.
    """
    if now.table.partners or then.table.partners:
        return jackknife_difference(
            metric_jackknife([now.metric], now.table), metric_jackknife([then.metric], then.table)
        )
    if matched:
        new, old = shared_items([now.table, then.table])
        sides = [Side(now.metric, new), Side(then.metric, old)]
        return paired_difference(ratio_estimates(table_weights(new, seed), [side.ratio for side in sides]), 0, 1)
    resampled = [
        metric_bootstrap([side.metric], side.table, cluster_weights(side.table.clusters, seed=f"{seed} {name}"))
        for name, side in (("now", now), ("then", then))
    ]
    return unpaired_difference(resampled[0], 0, resampled[1], 0)


def same_items(now: Side, then: Side) -> bool:
    """Whether both sides have the same items with the same scores, but for rounding."""
    if sorted(labels(now.table)) != sorted(labels(then.table)):
        return False
    places = [sorted(range(len(side.table.items)), key=labels(side.table).__getitem__) for side in (now, then)]
    pairs = [
        (now.ratio.numerator, then.ratio.numerator),
        (now.ratio.denominator, then.ratio.denominator),
    ]
    return now.metric.complement == then.metric.complement and all(
        bool(np.all(np.abs(new[places[0]] - old[places[1]]) <= ROUNDING * np.abs(old).max(initial=0.0)))
        for new, old in pairs
    )


def labels(table: ItemTable) -> Sequence[tuple[str, ...]]:
    """What an item is known by."""
    columns = (table.items, table.clusters, table.partners) if table.partners else (table.items, table.clusters)
    return list(zip(*columns, strict=True))
