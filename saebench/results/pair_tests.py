"""Tests of all pairs of subjects on one metric: over shared items, or over items of each subject's own."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from itertools import combinations
from statistics import median

import numpy as np

from saebench.errors import ResultsError
from saebench.results.items import ItemTable
from saebench.results.metrics import MetricLike, metric_bootstrap, metric_jackknife, metric_ratio, table_weights
from saebench.stats import (
    Difference,
    cluster_weights,
    jackknife_difference,
    jackknife_p_values,
    paired_difference,
    paired_p_values,
    ratio_estimates,
    unpaired_difference,
)
from saebench.stats.bootstrap import MIN_CLUSTERS
from saebench.stats.combined import Sampled, all_pairs
from saebench.stats.combined import difference as combined_difference
from saebench.stats.jackknife import jackknife_welch
from saebench.stats.paired import POWER_FACTOR, paired_detectable, welch_test

Pair = tuple[int, int]


class PairTests(abc.ABC):
    """Subjects are numbered in the order in which their tables were given."""

    shared: int | None
    """Items that all subjects have in common; None where items are not shared."""

    @abc.abstractmethod
    def p_values(self) -> dict[Pair, float]:
        """Two-sided p of every pair `a < b` that can be tested, not adjusted."""

    @abc.abstractmethod
    def value(self, a: int, b: int) -> float:
        """Difference of two subjects of a tested pair."""

    @abc.abstractmethod
    def difference(self, a: int, b: int) -> Difference:
        """The same with its interval."""

    @abc.abstractmethod
    def detectable(self, a: int, b: int) -> float:
        """Smallest difference of a tested pair that a single test finds with 80 % power."""

    def median_detectable(self, pairs: Sequence[Pair]) -> float | None:
        """The median over tested pairs; None where there is none."""
        return median(self.detectable(a, b) for a, b in pairs) if pairs else None


class SharedItems(PairTests):
    """Paired tests over the items that every subject has.

    Args:
        metric: what is tested.
        tables: its item table for each subject.
        task: name of the task: the seed of the resamples.

    Raises:
        ResultsError: an item is twice in a table, or lies in two clusters.
    """

    def __init__(self, metric: MetricLike, tables: Sequence[ItemTable], task: str) -> None:
        aligned = shared_items(tables)
        self.shared = len(aligned[0].items) if aligned else 0
        weights = table_weights(aligned[0], task) if aligned else cluster_weights([], seed=task)
        self._panel = ratio_estimates(weights, [metric_ratio(metric, table) for table in aligned])

    def p_values(self) -> dict[Pair, float]:
        return paired_p_values(self._panel)

    def value(self, a: int, b: int) -> float:
        return float(self._panel.values[a] - self._panel.values[b])

    def difference(self, a: int, b: int) -> Difference:
        return paired_difference(self._panel, a, b)

    def detectable(self, a: int, b: int) -> float:
        return paired_detectable(self._panel, a, b)


class OwnItems(PairTests):
    """Unpaired tests: each subject has items of its own, resampled with a seed of its own.

    Args:
        metric: what is tested.
        tables: its item table for each subject.
        seeds: one text a subject, all different.
    """

    shared = None

    def __init__(self, metric: MetricLike, tables: Sequence[ItemTable], seeds: Sequence[str]) -> None:
        self._bootstraps = [
            metric_bootstrap([metric], table, cluster_weights(table.clusters, seed=seed))
            for table, seed in zip(tables, seeds, strict=True)
        ]

    def p_values(self) -> dict[Pair, float]:
        testable = [
            index
            for index, bootstrap in enumerate(self._bootstraps)
            if bootstrap.reasons[0] is None and bootstrap.n[0] >= MIN_CLUSTERS
        ]
        sides = self._bootstraps
        return {(a, b): welch_test(sides[a], 0, sides[b], 0).p for a, b in combinations(testable, 2)}

    def value(self, a: int, b: int) -> float:
        return float(self._bootstraps[a].values[0] - self._bootstraps[b].values[0])

    def difference(self, a: int, b: int) -> Difference:
        return unpaired_difference(self._bootstraps[a], 0, self._bootstraps[b], 0)

    def detectable(self, a: int, b: int) -> float:
        return POWER_FACTOR * welch_test(self._bootstraps[a], 0, self._bootstraps[b], 0).error


class OwnPairs(PairTests):
    """Unpaired tests of subjects whose items are pairs of their own clusters (seeds), by jackknife.

    Args:
        metric: what is tested.
        tables: its item table for each subject.
    """

    shared = None

    def __init__(self, metric: MetricLike, tables: Sequence[ItemTable]) -> None:
        self._sides = [metric_jackknife([metric], table) for table in tables]

    def p_values(self) -> dict[Pair, float]:
        return jackknife_p_values(self._sides)

    def value(self, a: int, b: int) -> float:
        return float(self._sides[a].values[0] - self._sides[b].values[0])

    def difference(self, a: int, b: int) -> Difference:
        return jackknife_difference(self._sides[a], self._sides[b])

    def detectable(self, a: int, b: int) -> float:
        return POWER_FACTOR * jackknife_welch(self._sides[a], self._sides[b]).error


class SampledTests(PairTests):
    """Tests of statistics that were made of several resampled ones, such as aggregates.

    Args:
        sides: one a subject.
    """

    shared = None

    def __init__(self, sides: Sequence[Sampled]) -> None:
        self._sides = sides
        self._tests = all_pairs(sides)

    def p_values(self) -> dict[Pair, float]:
        testable = [place for place, one in enumerate(self._sides) if min(one.units.values()) >= MIN_CLUSTERS]
        return {(a, b): float(self._tests.p[a, b]) for a, b in combinations(testable, 2)}

    def value(self, a: int, b: int) -> float:
        return self._sides[a].value - self._sides[b].value

    def difference(self, a: int, b: int) -> Difference:
        return combined_difference(self._sides[a], self._sides[b])

    def detectable(self, a: int, b: int) -> float:
        return POWER_FACTOR * float(self._tests.errors[a, b])


def shared_items(tables: Sequence[ItemTable]) -> list[ItemTable]:
    """The tables cut down to the items that all of them have, in one order.

    Raises:
        ResultsError: an item is twice in a table, or lies in different clusters in two tables.
    """
    places = []
    for table in tables:
        place = {item: row for row, item in enumerate(table.items)}
        if len(place) < len(table.items):
            raise ResultsError("an item occurs twice in a table of per-item scores", field="item")
        places.append(place)
    common = sorted(set.intersection(*map(set, places))) if places else []
    aligned: list[ItemTable] = []
    for table, place in zip(tables, places, strict=True):
        rows = np.array([place[item] for item in common], dtype=np.int64)
        clusters = tuple(table.clusters[row] for row in rows)
        if aligned and clusters != aligned[0].clusters:
            raise ResultsError("two results put the same item into different clusters", field="cluster")
        columns = {name: column[rows] for name, column in table.columns.items()}
        aligned.append(ItemTable(tuple(common), clusters, columns))
    return aligned
