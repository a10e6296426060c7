"""Metrics from item scores."""

import numpy as np
import pytest

from saebench.results.items import ItemTable
from saebench.stats import Ratio, cluster_weights, ratio_estimates
from saebench.tasks.contract import Card, Metric, Scores
from saebench.tasks.summary import summarise

CARD = Card(
    id="toy",
    version=3,
    question="",
    source="",
    metrics=(
        Metric("fvu", "", {"squared error": 1}, {"variance": 1}, "documents"),
        Metric("explained", "", {"squared error": 1}, {"variance": 1}, "documents", complement=True),
        Metric("gap", "", {"a": 1, "b": -1}, {"1": 1}, "letters"),
    ),
    headline=("fvu",),
)


def scores(n=20, letters=12, **extra):
    rng = np.random.default_rng(0)
    ids = tuple(f"d{i}" for i in range(n))
    error, variance = rng.uniform(1, 2, n), rng.uniform(5, 9, n)
    names = tuple(f"l{i}" for i in range(letters))
    tables = {
        "documents": ItemTable(ids, ids, {"squared error": error, "variance": variance}),
        "letters": ItemTable(names, names, {"a": rng.normal(size=letters), "b": rng.normal(size=letters)}),
    }
    return Scores(tables, **extra)


def test_values_follow_the_declaration():
    given = scores()
    values = summarise(CARD, given)
    assert list(values) == ["fvu", "explained", "gap"]
    documents, letters = given.tables["documents"].columns, given.tables["letters"].columns
    fvu = documents["squared error"].sum() / documents["variance"].sum()
    assert values["fvu"].value == pytest.approx(fvu)
    assert values["explained"].value == pytest.approx(1 - fvu)
    assert values["gap"].value == pytest.approx(np.mean(letters["a"] - letters["b"]))
    assert (values["fvu"].n, values["gap"].n) == (20, 12)


def test_intervals_come_from_resamples_that_all_subjects_of_the_task_share():
    given = scores()
    table = given.tables["documents"]
    weights = cluster_weights(table.clusters, seed="toy@3")
    alone = ratio_estimates(weights, [Ratio(table.columns["squared error"], table.columns["variance"])]).estimate(0)
    value = summarise(CARD, given)["fvu"]
    assert (value.low, value.high) == pytest.approx((alone.low, alone.high), rel=1e-12)


def test_what_is_undefined_says_why():
    values = summarise(CARD, scores(letters=4, undefined={"fvu": "no linear encoder"}))
    assert values["fvu"].undefined == "no linear encoder"
    assert values["fvu"].value is None
    assert values["gap"].value is not None
    assert "4 clusters" in values["gap"].undefined


def test_a_missing_table_needs_a_reason():
    given = scores()
    without = Scores({"documents": given.tables["documents"]})
    with pytest.raises(ValueError, match="no table 'letters'"):
        summarise(CARD, without)
    excused = Scores(without.tables, undefined={"gap": "no letters in this corpus"})
    assert summarise(CARD, excused)["gap"].undefined == "no letters in this corpus"
