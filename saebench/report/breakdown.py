"""The per-item scores of a result in short: what each data set, letter or seed gave, and how items spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from saebench.results.items import FloatArray, ItemTable
from saebench.tasks.contract import Metric

Places = np.ndarray[Any, np.dtype[np.int64]]

MOST_PARTS = 60
"""Parts that are listed one by one; of more, only their spread and both ends."""
ENDS = 5
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True)
class Part:
    """Some items that belong together, or one."""

    name: str
    items: int
    values: tuple[float | None, ...]
    """As the metrics; None where the part has no item that counts."""


@dataclass(frozen=True)
class Breakdown:
    """One item table."""

    table: str
    items: int
    clusters: int
    metrics: tuple[Metric, ...]
    by: str
    """What a part is: "item", "cluster" or "set", the first words of an item's name."""
    parts: tuple[Part, ...]
    """All of them, or those at both ends of the first metric; none where so few values occur that no end is told."""
    total: int
    """Number of parts."""
    quantiles: tuple[tuple[float, ...], ...]
    """Of each metric over the parts that have a value, at `QUANTILES`; empty where none has."""


def breakdowns(tables: Mapping[str, ItemTable], metrics: Sequence[Metric]) -> tuple[Breakdown, ...]:
    """The tables that the metrics are made from, each with those metrics that can be had part by part."""
    found = []
    for name, table in sorted(tables.items()):
        own = tuple(metric for metric in metrics if metric.table == name and _columns(metric) <= set(table.columns))
        if own and table.items:
            found.append(_breakdown(name, table, own))
    return tuple(found)


def _columns(metric: Metric) -> set[str]:
    return {*metric.numerator, *metric.denominator} - {"1"}


def _breakdown(name: str, table: ItemTable, metrics: tuple[Metric, ...]) -> Breakdown:
    by, labels = _labels(table)
    names, places = np.unique(np.asarray(labels, dtype=object).astype(str), return_inverse=True)
    first_seen = np.full(len(names), len(labels))
    np.minimum.at(first_seen, places, np.arange(len(labels)))
    sizes = np.bincount(places, minlength=len(names))
    values = np.stack([_values(metric, table, places, len(names)) for metric in metrics])
    order = _both_ends(values[0]) if len(names) > MOST_PARTS else np.argsort(first_seen)
    parts = tuple(
        Part(str(names[at]), int(sizes[at]), tuple(None if np.isnan(one) else float(one) for one in values[:, at]))
        for at in order
    )
    return Breakdown(
        name, len(table.items), len(set(table.clusters)), metrics, by, parts, len(names), _quantiles(values)
    )


def _labels(table: ItemTable) -> tuple[str, Sequence[str]]:
    """What to take together: data sets where items are named `set/item` or `set/part/item`, else clusters of several.

    Of a longer name as much counts as tells several sets apart.
    """
    paths = [item.split("/") for item in table.items]
    for depth in range(1, min(map(len, paths))):
        sets = ["/".join(path[:depth]) for path in paths]
        if 1 < len(set(sets)) <= MOST_PARTS:
            return "set", sets
    if len(table.items) > MOST_PARTS and len(set(table.clusters)) <= MOST_PARTS:
        return "cluster", table.clusters
    return "item", table.items


def _values(metric: Metric, table: ItemTable, places: Places, count: int) -> FloatArray:
    """The declared ratio over the items of each part, NaN where its denominator is zero."""
    top = np.bincount(places, weights=table.combine(metric.numerator), minlength=count)
    base = np.bincount(places, weights=table.combine(metric.denominator), minlength=count)
    ratio: FloatArray = np.divide(top, base, out=np.full(count, np.nan), where=base != 0)
    return 1 - ratio if metric.complement else ratio


def _both_ends(values: FloatArray) -> Places:
    """Lowest and highest parts by the first metric, lowest first; parts without a value are at neither end."""
    ordered = np.argsort(values, kind="stable")
    ordered = ordered[~np.isnan(values[ordered])]
    if len(np.unique(values[ordered])) <= 2 * ENDS:
        return ordered[:0]
    return np.concatenate([ordered[:ENDS], ordered[-ENDS:]])


def _quantiles(values: FloatArray) -> tuple[tuple[float, ...], ...]:
    held = [row[~np.isnan(row)] for row in values]
    return tuple(tuple(float(q) for q in np.quantile(row, QUANTILES)) if len(row) else () for row in held)
