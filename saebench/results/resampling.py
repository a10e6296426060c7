"""Subjects of one metric with all that is needed to combine them: their values in every resample.

Items that subjects share are resampled by a seed that their clusters decide, so that tasks over the same clusters move
together; items of a subject's own by a seed of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from saebench.fingerprint import digest
from saebench.results.comparison import Contender
from saebench.results.metrics import MetricLike, metric_bootstrap
from saebench.results.pair_tests import shared_items
from saebench.stats import cluster_weights
from saebench.stats.combined import Sampled


def resample(
    metric: MetricLike, contenders: Mapping[str, Contender], paired: bool
) -> tuple[dict[str, Sampled], dict[str, str]]:
    """Resampled values by name, and the reasons of those that have none.

    Args:
        metric: its declaration.
        contenders: subjects by name.
        paired: whether items are the same for every subject; then those count that all have.

    Raises:
        ResultsError: the item tables contradict each other.
    """
    lacking: dict[str, str] = {}
    tables = {}
    for name, one in sorted(contenders.items()):
        if one.entry.estimate.value is None:
            lacking[name] = one.entry.estimate.undefined or "no value"
        elif one.table is None:
            lacking[name] = "no per-item scores"
        elif one.table.partners:
            lacking[name] = "its items are pairs of seeds, which are not resampled"
        else:
            tables[name] = one.table
    if paired:
        tables = dict(zip(tables, shared_items(list(tables.values())), strict=True))
    sampled = {}
    for name, table in tables.items():
        seed = digest(["aggregate", sorted(set(table.clusters)), None if paired else name])
        bootstrap = metric_bootstrap([metric], table, cluster_weights(table.clusters, seed=seed))
        if bootstrap.reasons[0] is None:
            sampled[name] = Sampled.of(bootstrap, 0)
        else:
            lacking[name] = bootstrap.reasons[0]
    return sampled, lacking
