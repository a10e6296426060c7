"""From declared metrics and item tables to ratios: the seam between what tasks declare and the statistics.

Cards and metrics are declared in the room of tasks, below this one; here stands what is read of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from saebench.results.items import ItemTable
from saebench.stats import (
    ClusterWeights,
    Estimate,
    Ratio,
    RatioBootstrap,
    RatioJackknife,
    cluster_weights,
    ratio_estimates,
    ratio_jackknife,
)


class MetricLike(Protocol):
    """A number by declaration: a ratio of two weighted sums over the items of a table."""

    @property
    def name(self) -> str: ...
    @property
    def table(self) -> str: ...
    @property
    def numerator(self) -> Mapping[str, float]: ...
    @property
    def denominator(self) -> Mapping[str, float]: ...
    @property
    def complement(self) -> bool: ...
    @property
    def direction(self) -> Literal["up", "down", "none"]: ...
    @property
    def group(self) -> Literal["main", "legacy"]: ...


class CardLike(Protocol):
    """What a task measures."""

    @property
    def name(self) -> str: ...
    @property
    def metrics(self) -> Sequence[MetricLike]: ...
    @property
    def headline(self) -> Sequence[str]: ...
    @property
    def paired_by(self) -> Mapping[str, str]: ...
    @property
    def unfit(self) -> str: ...
    def fingerprint(self) -> str: ...


def leading(card: CardLike) -> MetricLike | None:
    """The metric that a task is ranked by: the first of its headline that has a direction."""
    by_name = {metric.name: metric for metric in card.metrics}
    return next((by_name[name] for name in card.headline if by_name[name].direction != "none"), None)


def table_weights(table: ItemTable, seed: str) -> ClusterWeights:
    """Resampling weights of a table's clusters. The seed is the task's name: all its subjects share the resamples."""
    return cluster_weights(table.clusters, seed=seed)


def metric_bootstrap(metrics: Sequence[MetricLike], table: ItemTable, weights: ClusterWeights) -> RatioBootstrap:
    """The metrics of one table, resampled together; columns in the order of `metrics`."""
    return ratio_estimates(weights, [metric_ratio(metric, table) for metric in metrics])


def metric_jackknife(metrics: Sequence[MetricLike], table: ItemTable) -> RatioJackknife:
    """The metrics of one table of pairs, with each cluster left out in turn; columns in the order of `metrics`."""
    return ratio_jackknife(table.clusters, table.partners, [metric_ratio(metric, table) for metric in metrics])


def metric_estimates(metrics: Sequence[MetricLike], table: ItemTable, seed: str) -> list[Estimate]:
    """Value and interval of the metrics of one table: a jackknife for pairs, else a bootstrap over clusters."""
    resampled = (
        metric_jackknife(metrics, table)
        if table.partners
        else metric_bootstrap(metrics, table, table_weights(table, seed))
    )
    return [resampled.estimate(column) for column in range(len(metrics))]


def metric_ratio(metric: MetricLike, table: ItemTable) -> Ratio:
    """The declared ratio over the items of a table."""
    return Ratio(table.combine(metric.numerator), table.combine(metric.denominator), metric.complement)
