"""The aggregates of a result made again from its items, with the metrics that our own card declares."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from saebench.errors import SubmissionError
from saebench.results.items import ItemTable
from saebench.results.metrics import MetricLike, metric_estimates
from saebench.results.schema import MetricValue
from saebench.submissions import limits
from saebench.submissions.bundle import Scored
from saebench.submissions.known import KnownTask
from saebench.submissions.refusing import refusal

ENDS = ("value", "low", "high")


@dataclass(frozen=True)
class Recomputed:
    """What follows from the items of a result."""

    metrics: dict[str, MetricValue]
    """Recomputed where items allow it; as stated where the task declares a metric undefined."""
    refusals: tuple[SubmissionError, ...]
    notes: tuple[str, ...]
    """What is odd and yet may be: a value withheld, a value out of the usual range."""


def recompute(scored: Scored, known: KnownTask) -> Recomputed:
    """Metrics of a result from its items, and every place where the result says something else."""
    stated = scored.record.metrics
    declared = {metric.name: metric for metric in known.card.metrics}
    if set(stated) != set(declared):
        odd = sorted(set(stated) ^ set(declared))[0]
        word = "is missing" if odd in declared else f"is no metric of {known.card.name}"
        return Recomputed({}, (refusal(word, scored.file, f"metrics.{odd}"),), ())
    found = dict(_estimates(known, scored.tables))
    metrics: dict[str, MetricValue] = {}
    refusals: list[SubmissionError] = []
    notes: list[str] = []
    for name, metric in declared.items():
        own, again = stated[name], found.get(name)
        if own.value is None:
            metrics[name] = own
            if again is not None and again.value is not None:
                notes.append(f"{scored.file}: {name} is declared undefined, its items give {again.value:g}")
            continue
        if again is None:
            needed = f"table '{metric.table}' with {', '.join(sorted(_columns(metric)))}"
            refusals.append(refusal(f"the items of {name} are not there: {needed}", scored.items_file, name))
            continue
        metrics[name] = again
        refusals += _differences(scored, name, own, again)
        low, high = known.ranges.get(name, (None, None))
        if again.value is not None and not _within(again.value, low, high):
            ends = ", ".join(
                f"{word} {end:g}" for word, end in (("at least", low), ("at most", high)) if end is not None
            )
            notes.append(f"{scored.file}: {name} is {again.value:g}, and the card says {ends}")
    return Recomputed(metrics, tuple(refusals), tuple(notes))


def _estimates(known: KnownTask, tables: Mapping[str, ItemTable]) -> Iterator[tuple[str, MetricValue]]:
    """Every metric whose items are there."""
    for name, table in tables.items():
        metrics = [one for one in known.card.metrics if one.table == name and _columns(one) <= set(table.columns)]
        for metric, made in zip(metrics, metric_estimates(metrics, table, known.card.name), strict=True):
            value = MetricValue(value=made.value, low=made.low, high=made.high, n=made.n, undefined=made.undefined)
            yield metric.name, value


def _columns(metric: MetricLike) -> set[str]:
    return (set(metric.numerator) | set(metric.denominator)) - {"1"}


def _differences(scored: Scored, name: str, own: MetricValue, again: MetricValue) -> Iterator[SubmissionError]:
    for end in ENDS:
        stated, made = getattr(own, end), getattr(again, end)
        if not agree(stated, made, limits.RELATIVE):
            message = f"{stated} does not follow from the items, which give {made}"
            yield refusal(message, scored.file, f"metrics.{name}.{end}")
            return
    if own.n != again.n:
        yield refusal(f"{own.n} clusters; the items have {again.n}", scored.file, f"metrics.{name}.n")
    if own.undefined != again.undefined:
        message = "the reason does not follow from the items" + (f": {again.undefined}" if again.undefined else "")
        yield refusal(message, scored.file, f"metrics.{name}.undefined")


def _within(value: float, low: float | None, high: float | None) -> bool:
    """Within the range, rounding errors forgiven."""
    slack = limits.REPRODUCED
    return (low is None or value >= low - slack) and (high is None or value <= high + slack)


def agree(stated: float | None, made: float | None, relative: float) -> bool:
    """Whether two numbers are one but for rounding; None agrees with None alone."""
    if stated is None or made is None:
        return stated is made
    return math.isclose(stated, made, rel_tol=relative, abs_tol=limits.ABSOLUTE)
