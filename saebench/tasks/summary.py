"""From item scores to the metrics of a result: value, interval, or the reason why there is none."""

from __future__ import annotations

from saebench.results.metrics import metric_estimates
from saebench.results.schema import MetricValue
from saebench.stats import Estimate
from saebench.tasks.contract import Card, Scores


def summarise(card: Card, scores: Scores) -> dict[str, MetricValue]:
    """Every metric of the card, in its order.

    Raises:
        ValueError: the task handed over no table for a metric and no reason either.
    """
    values: dict[str, MetricValue] = {}
    for name in dict.fromkeys(metric.table for metric in card.metrics):
        wanted = [metric for metric in card.metrics if metric.table == name and metric.name not in scores.undefined]
        if not wanted:
            continue
        if name not in scores.tables:
            raise ValueError(f"{card.name} returned no table '{name}' and no reason for '{wanted[0].name}'")
        table = scores.tables[name]
        for metric, estimate in zip(wanted, metric_estimates(wanted, table, card.name), strict=True):
            values[metric.name] = metric_value(estimate)
    for name, reason in scores.undefined.items():
        values[name] = MetricValue(value=None, n=0, undefined=reason)
    return {metric.name: values[metric.name] for metric in card.metrics}


def metric_value(estimate: Estimate) -> MetricValue:
    """An estimate as a results file holds it."""
    return MetricValue(
        value=estimate.value, low=estimate.low, high=estimate.high, n=estimate.n, undefined=estimate.undefined
    )
