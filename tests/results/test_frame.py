"""Results as a frame."""

import math

import pytest
from result_examples import CARD, write_example

from saebench.results.frame import COLUMNS, Results
from saebench.results.store import ResultStore


@pytest.fixture
def results(tmp_path):
    store = ResultStore(tmp_path)
    write_example(store, "b", 0.6)
    write_example(store, "a", 0.5)
    write_example(store, "a", 0.5, eval_seed=1)
    write_example(store, "few", 0.5, documents=5)
    return Results.read(tmp_path)


def test_one_row_a_metric_of_a_result(results):
    assert len(results) == 4
    assert tuple(results.frame.columns) == COLUMNS
    assert len(results.frame) == 4 * len(CARD.metrics)
    row = results.frame[(results.frame.subject == "b") & (results.frame.metric == "quality")].iloc[0]
    record = next(record for record in results.records if record.subject.name == "b")
    assert (row.value, row.low, row.high) == tuple(
        record.metrics["quality"].model_dump()[key] for key in ("value", "low", "high")
    )
    assert (row.architecture, row.d_dict, row.train_seed, row.lm) == ("topk", 64, 3, "toy lm")


def test_undefined_is_nan_with_its_reason(results):
    row = results.frame[(results.frame.subject == "few") & (results.frame.metric == "quality")].iloc[0]
    assert math.isnan(row.low)
    assert "5 clusters" in row.undefined


def test_pivot_is_the_mean_over_seeds(results):
    table = results.pivot(CARD.name)
    seeds = [record.metrics["quality"].value for record in results.records if record.subject.name == "a"]
    assert len(seeds) == 2
    assert table.loc["a", "quality"] == pytest.approx(sum(seeds) / 2)


def test_items_and_selections(results):
    some = results.where(lambda record: record.subject.name == "b")
    assert len(some) == 1
    assert set(results.items(some.records[0])) == {"documents", "latents"}


def test_an_empty_folder_gives_an_empty_frame(tmp_path):
    assert list(Results.read(tmp_path).frame.columns) == list(COLUMNS)
    assert len(Results.read(tmp_path).frame) == 0
