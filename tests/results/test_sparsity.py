"""Bands of L0, ranks within them, and the Pareto curve."""

import numpy as np
import pytest
from small_tasks import card, write

from saebench.results.comparison import compare_records
from saebench.results.sparsity import Sparsity, band_edges, band_of
from saebench.results.store import ResultStore

N = 60
EASE = np.random.default_rng(1).normal(0, 0.1, N)


@pytest.fixture
def store(tmp_path):
    return ResultStore(tmp_path)


def table(store, *tasks, metric="score", **settings):
    cards = {task.name: task for task in tasks}.__getitem__
    (found,) = compare_records(list(store.all()), store, cards, metrics=[metric], **settings)
    return {row.subject: row for row in found.rows}


def test_bands_are_factors_of_two_around_powers_of_two():
    assert [band_of(l0) for l0 in (31.7, 32, 33, 22.7, 45.2, 45.3, 0.6, 0)] == [32, 32, 32, 32, 32, 64, 0.5, 0]
    for l0 in np.geomspace(0.1, 5000, 50):
        low, high = band_edges(band_of(l0))
        assert low <= l0 <= high
        assert high / low == pytest.approx(2)


def test_ranks_within_a_band_ask_only_its_members(store):
    task = card()
    for name, value, l0 in (("a", 0.5, 32), ("b", 0.6, 30), ("c", 0.9, 200), ("d", 0.8, 250), ("e", 0.6, 35)):
        write(store, task, name, value + EASE + 0.001 * np.sin(len(name) + np.arange(N) * l0), l0=l0)
    rows = table(store, task)
    assert {name: row.band for name, row in rows.items()} == {"a": 32, "b": 32, "c": 256, "d": 256, "e": 32}
    assert {name: row.rank for name, row in rows.items()} == {
        "c": (1, 1), "d": (2, 2), "b": (3, 4), "e": (3, 4), "a": (5, 5),
    }  # fmt: skip
    assert {name: row.band_rank for name, row in rows.items()} == {
        "c": (1, 1), "d": (2, 2), "b": (1, 2), "e": (1, 2), "a": (3, 3),
    }  # fmt: skip


@pytest.mark.parametrize("metric", ["score", "loss"])
def test_the_pareto_curve_keeps_all_that_is_not_significantly_dominated(store, metric):
    task = card()
    panel = (
        ("sparse", 0.5, 16), ("twin", 0.5001, 16), ("beaten", 0.3, 16), ("dominated", 0.4, 20), ("middle", 0.7, 64),
        ("dense", 0.9, 200), ("wasteful", 0.7, 300),
    )  # fmt: skip
    for name, value, l0 in panel:
        spread = 0.01 * np.random.default_rng(l0 + len(name)).normal(size=N)
        write(store, task, name, value + EASE + spread - spread.mean(), l0=l0)
    write(store, task, "truth", np.full(N, 1.0), l0=8, role="oracle")
    rows = table(store, task, metric=metric)
    on = {name for name, row in rows.items() if row.frontier}
    assert on == {"sparse", "twin", "middle", "dense"}
    assert rows["truth"].frontier is None, "a control's place is known and it is not asked"
    assert rows["dominated"].frontier is False


def test_l0_comes_from_another_task_of_the_subject_where_its_own_has_none(store):
    measured, silent = card("reconstruction"), card("silent")
    first = write(store, measured, "a", 0.5 + EASE, l0=40)
    other = write(store, card("another"), "a", 0.5 + EASE, l0=90)
    record = write(store, silent, "a", 0.5 + EASE, l0=None)
    stranger = write(store, silent, "b", 0.5 + EASE, l0=None)
    sparsity = Sparsity([first, other, record, stranger])
    assert sparsity.of([record]) == 40
    assert sparsity.of([other]) == 90
    assert sparsity.of([stranger]) is None
    group = record.subject.model_copy(
        update={"fingerprint": "set", "provenance": {"members": [{"fingerprint": "fingerprint of a"}] * 2}}
    )
    assert sparsity.of([record.model_copy(update={"subject": group})]) == 40


def test_without_l0_there_is_no_band_and_no_curve(store):
    task = card()
    for name, value in (("a", 0.5), ("b", 0.6)):
        write(store, task, name, value + EASE, l0=None)
    for row in table(store, task).values():
        assert (row.l0, row.band, row.band_rank, row.frontier) == (None, None, None, None)
        assert row.rank is not None
