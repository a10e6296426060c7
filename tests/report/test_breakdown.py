from __future__ import annotations

import numpy as np
import pytest

from saebench.report.breakdown import MOST_PARTS, breakdowns
from saebench.results.items import ItemTable
from saebench.tasks.contract import Metric

RATE = Metric("rate", "hits / tries", {"hits": 1}, {"tries": 1}, "trials")
MISS = Metric("miss", "1 - hits / tries", {"hits": 1}, {"tries": 1}, "trials", complement=True)


def table(items, clusters, hits, tries):
    return ItemTable(tuple(items), tuple(clusters), {"hits": np.array(hits, float), "tries": np.array(tries, float)})


def test_data_sets_in_the_names_of_items_are_taken_together():
    own = table(["b/0", "b/1", "a/0", "a/1"], "wxyz", [1, 0, 3, 3], [1, 3, 4, 4])
    (found,) = breakdowns({"trials": own}, [RATE, MISS])
    assert [(part.name, part.items, part.values) for part in found.parts] == [
        ("b", 2, (0.25, 0.75)),
        ("a", 2, (0.75, 0.25)),
    ]


def test_of_a_longer_name_as_much_counts_as_tells_sets_apart():
    own = table(["w/b/0", "w/b/1", "w/a/0"], "xyz", [1, 0, 3], [1, 3, 4])
    (found,) = breakdowns({"trials": own}, [RATE])
    assert [part.name for part in found.parts] == ["w/b", "w/a"]


def test_yes_and_no_have_no_ends():
    own = table([str(i) for i in range(200)], [str(i) for i in range(200)], np.arange(200) % 2, np.ones(200))
    (found,) = breakdowns({"trials": own}, [RATE])
    assert found.parts == ()
    assert found.quantiles[0][3] == 0.5


def test_a_part_where_nothing_counts_has_no_value():
    own = table(["x", "y"], ["x", "y"], [1, 0], [2, 0])
    (found,) = breakdowns({"trials": own}, [RATE])
    assert [part.values for part in found.parts] == [(0.5,), (None,)]
    assert found.quantiles[0] == (0.5,) * 7


def test_of_many_items_both_ends_and_the_spread_are_kept():
    count = MOST_PARTS + 41
    own = table([f"i{i}" for i in range(count)], [f"i{i}" for i in range(count)], np.arange(count), np.full(count, 100))
    (found,) = breakdowns({"trials": own}, [RATE])
    assert [part.name for part in found.parts] == ["i0", "i1", "i2", "i3", "i4", "i96", "i97", "i98", "i99", "i100"]
    assert found.total == count
    assert found.quantiles[0] == pytest.approx((0, 0.05, 0.25, 0.5, 0.75, 0.95, 1))


def test_parts_add_up_to_the_whole():
    rng = np.random.default_rng(0)
    tries = rng.integers(1, 9, 500).astype(float)
    hits = tries * rng.random(500)
    own = table([f"set{i % 7}/{i}" for i in range(500)], [str(i) for i in range(500)], hits, tries)
    (found,) = breakdowns({"trials": own}, [RATE])
    weights = [tries[index::7].sum() for index in range(7)]
    assert np.average([part.values[0] for part in found.parts], weights=weights) == pytest.approx(
        hits.sum() / tries.sum()
    )


def test_metrics_of_other_tables_and_of_missing_columns_are_left_out():
    own = table(["x"], ["x"], [1], [2])
    absent = Metric("absent", "", {"nowhere": 1}, {"1": 1}, "trials")
    elsewhere = Metric("elsewhere", "", {"hits": 1}, {"1": 1}, "others")
    assert breakdowns({"trials": own}, [absent, elsewhere]) == ()
