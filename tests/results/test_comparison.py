"""Subjects side by side."""

import itertools

import numpy as np
import pytest
from result_examples import CARD, record_of, tables_of, write_example

from saebench.errors import ResultsError, UnknownName
from saebench.results.comparison import compare_records
from saebench.results.items import ItemTable
from saebench.results.pair_tests import shared_items
from saebench.results.scopes import pool, scopes_of
from saebench.results.store import ResultStore
from saebench.tasks.contract import Scores


def card_of(name):
    assert name == CARD.name
    return CARD


@pytest.fixture
def store(tmp_path):
    return ResultStore(tmp_path)


def compare(store, records=None, **settings):
    return compare_records(list(store.all()) if records is None else records, store, card_of, **settings)


def rows_of(table):
    return {row.subject: row for row in table.rows}


def test_better_subjects_come_first_and_ties_share_a_letter(store):
    for name, quality in (("best", 0.8), ("twin a", 0.6), ("twin b", 0.601), ("worst", 0.4)):
        write_example(store, name, quality)
    (table,) = compare(store, metrics=["quality"], base="worst")
    rows = rows_of(table)
    assert (table.rows[0].subject, table.rows[3].subject) == ("best", "worst")
    assert (rows["best"].letters, rows["worst"].letters) == (("a",), ("c",))
    assert rows["twin a"].letters == rows["twin b"].letters == ("b",)
    assert [rows[name].rank for name in ("best", "twin a", "twin b", "worst")] == [(1, 1), (2, 3), (2, 3), (4, 4)]
    assert (table.paired, table.shared, table.tests) == (True, 40, 6)
    best = rows["best"].difference
    assert best.low < 0.4 < best.high
    assert best.high - best.low < 0.05
    assert rows["best"].estimate.high - rows["best"].estimate.low > 0.08
    assert rows["worst"].difference is None


def test_the_table_agrees_with_the_stored_results(store):
    records = [write_example(store, name, quality) for name, quality in (("a", 0.7), ("b", 0.5))]
    for name in ("quality", "error", "width"):
        (table,) = compare(store, metrics=[name], base="b")
        stored = {record.subject.name: record.metrics[name] for record in records}
        rows = rows_of(table)
        for subject, row in rows.items():
            value = stored[subject]
            assert (row.estimate.value, row.estimate.low, row.estimate.high) == (value.value, value.low, value.high)
        gap = stored["a"].value - stored["b"].value
        assert rows["a"].difference.value == pytest.approx(gap, abs=1e-12)
        assert table.rows[0].subject == "a"


def test_order_of_results_never_matters(store):
    records = [write_example(store, f"s{i}", quality) for i, quality in enumerate((0.5, 0.52, 0.7))]
    tables = [compare(store, list(order), base="s1") for order in itertools.permutations(records)]
    assert all(table == tables[0] for table in tables)


def test_p_is_adjusted_over_all_pairs_of_the_table(store):
    for name, quality in (("a", 0.500), ("b", 0.507), ("c", 0.9), ("d", 0.2)):
        write_example(store, name, quality)
    (table,) = compare(store, metrics=["quality"], base="a")
    row = rows_of(table)["b"]
    assert row.difference.p <= row.p_adjusted <= min(1, 6 * row.difference.p)


def test_a_metric_without_direction_and_a_legacy_one_are_not_ranked(store):
    write_example(store, "a", 0.7)
    write_example(store, "b", 0.5)
    tables = compare(store, metrics=["size", "old"])
    assert all(row.rank is None for table in tables for row in table.rows)
    assert rows_of(tables[0])["a"].letters == ("a",)
    old = rows_of(tables[1])
    assert old["a"].letters != old["b"].letters


def test_items_of_their_own_are_compared_without_pairing(store):
    write_example(store, "a", 0.7, latents=30)
    write_example(store, "b", 0.5, latents=50)
    (table,) = compare(store, metrics=["width"], base="b")
    assert (table.paired, table.shared, table.tests) == (False, None, 1)
    difference = rows_of(table)["a"].difference
    assert difference.low < 0.2 < difference.high
    assert difference.p < 0.001
    assert table.detectable == pytest.approx(2.80 * 0.1 * np.sqrt(1 / 30 + 1 / 50), rel=0.25)


def test_subjects_without_a_value_or_too_few_clusters_stay_as_rows(store):
    write_example(store, "a", 0.7)
    write_example(store, "b", 0.5)
    tables = tables_of(0.6)
    spoilt = ItemTable(
        tables["documents"].items,
        tables["documents"].clusters,
        {**tables["documents"].columns, "good": np.full(40, np.nan)},
    )
    scores = Scores({**tables, "documents": spoilt})
    store.write(record_of("broken", scores), scores.tables)
    (table,) = compare(store, metrics=["quality"], base="a")
    row = rows_of(table)["broken"]
    assert table.rows[-1] is row
    assert (row.rank, row.letters, row.p_adjusted) == (None, (), None)
    assert "not finite" in row.estimate.undefined
    assert "broken" in row.difference.undefined
    assert table.tests == 1
    assert rows_of(table)["b"].difference.p is not None


def test_too_few_clusters_leave_all_untested(store):
    write_example(store, "a", 0.7, documents=6)
    write_example(store, "b", 0.5, documents=6)
    (table,) = compare(store, metrics=["quality"], base="a")
    assert table.tests == 0
    assert table.detectable is None
    assert all(row.rank is None and row.letters == () for row in table.rows)
    assert "6 clusters" in rows_of(table)["b"].difference.undefined


def test_seeds_are_pooled_over_their_different_documents(store):
    for seed in (0, 1):
        write_example(store, "a", 0.6, eval_seed=seed)
        write_example(store, "b", 0.5, eval_seed=seed)
    write_example(store, "one seed", 0.55)
    (table,) = compare(store, metrics=["quality"], base="b")
    rows = rows_of(table)
    assert rows["a"].estimate.n == 80
    assert rows["one seed"].estimate.n == 40
    assert table.shared == 40
    assert rows["a"].letters != rows["b"].letters
    pair = [record for record in store.all() if record.subject.name in "ab"]
    (table,) = compare(store, pair, metrics=["quality"], base="b")
    assert table.shared == 80


def test_results_that_may_not_be_compared_get_tables_of_their_own(store):
    write_example(store, "a", 0.6)
    write_example(store, "a", 0.6, site="blocks.2")
    write_example(store, "b", 0.5, site="blocks.2")
    tables = compare(store, metrics=["quality"], base="b")
    assert [(table.scope.site, len(table.rows), table.base) for table in tables] == [
        ("blocks.1", 1, None),
        ("blocks.2", 2, "b"),
    ]


def test_tables_of_one_task_are_told_apart_by_the_parameters_that_differ(store):
    for ratio in (0.5, 0.7):
        write_example(store, "a", 0.6, ratio=ratio)
    write_example(store, "a", 0.6, site="blocks.2")
    tables = compare(store, metrics=["quality"])
    assert [(table.scope.site, table.scope.setting) for table in tables] == [
        ("blocks.1", "ratio 0.5"),
        ("blocks.1", "ratio 0.7"),
        ("blocks.2", ""),
    ]


def test_a_base_that_nobody_is_called_is_refused_with_near_misses(store):
    write_example(store, "topk_32", 0.6)
    with pytest.raises(UnknownName, match="topk_32"):
        compare(store, base="topk32")


def test_two_subjects_of_one_name_are_told_apart(store):
    first = write_example(store, "a", 0.6)
    other = first.model_copy(update={"subject": first.subject.model_copy(update={"fingerprint": "other"})})
    (entrants,) = scopes_of([first, other]).values()
    assert [entrant.name for entrant in entrants] == ["a finger", "a other"]


def test_shared_items_refuse_contradictions():
    one = ItemTable(("x", "y"), ("c", "c"), {})
    with pytest.raises(ResultsError, match="different clusters"):
        shared_items([one, ItemTable(("y", "x"), ("c", "d"), {})])
    with pytest.raises(ResultsError, match="twice"):
        shared_items([ItemTable(("x", "x"), ("c", "c"), {})])
    assert shared_items([]) == []


def test_a_document_that_two_seeds_drew_is_one_cluster():
    table = ItemTable(("d1", "d2"), ("d1", "d2"), {"v": np.array([1.0, 2.0])})
    both = pool({1: table, 0: table})
    assert both.items == ("0/d1", "0/d2", "1/d1", "1/d2")
    assert both.clusters == ("d1", "d2", "d1", "d2")
