"""The sparse solver against the exact one, and its bound."""

from __future__ import annotations

import numpy as np
import pytest
from rows import draw

from saebench.matching import assignment, candidates, unit_rows
from saebench.matching.assignment import assign, exact, sparse
from saebench.matching.candidates import Edges, column_prices, solve


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("mode", ["random", "half", "seed"])
def test_it_finds_the_best_assignment_within_its_bound(mode, signed):
    a, b = (unit_rows(x) for x in draw(1500, 128, mode))
    best, near = exact(a, b, signed=signed), sparse(a, b, signed=signed)
    assert near.solver == "candidates"
    assert -1e-6 <= best.mean - near.mean <= near.error_bound + 1e-6
    assert near.error_bound <= 1e-3
    assert sorted(near.columns.tolist()) == list(range(1500))


@pytest.mark.parametrize("rounds", [1, 2])
@pytest.mark.parametrize("kept", [1, 2, 4])
def test_the_bound_holds_where_the_graph_is_poor(monkeypatch, kept, rounds):
    monkeypatch.setattr(candidates, "CANDIDATES", kept)
    monkeypatch.setattr(candidates, "ADDED", 1)
    monkeypatch.setattr(candidates, "ROUNDS", rounds)
    for seed in range(5):
        a, b = (unit_rows(x) for x in draw(300, 8, "random", seed))
        best, near = exact(a, b, signed=True), sparse(a, b, signed=True)
        assert best.mean <= near.mean + near.error_bound + 1e-6


@pytest.mark.parametrize(("n", "m"), [(200, 500), (500, 200), (10, 500), (1, 1), (3, 40)])
def test_other_numbers_of_rows(n, m):
    (a, _), (_, b) = draw(n, 64, "random"), draw(m, 64, "random")
    best, near = (solver(unit_rows(a), unit_rows(b), signed=True) for solver in (exact, sparse))
    assert near.mean == pytest.approx(best.mean, abs=near.error_bound + 1e-6)
    for one in (best, near):
        assert one.rows.tolist() == sorted(set(one.rows.tolist()))
        assert len(set(one.columns.tolist())) == len(one.rows) == min(n, m)


def test_blocks_of_any_size_give_the_same_pairs(monkeypatch):
    a, b = (unit_rows(x) for x in draw(400, 32, "half"))
    whole = [solver(a, b, signed=True) for solver in (exact, sparse)]
    monkeypatch.setattr("saebench.matching.cosines.BLOCK_ENTRIES", 400 * 37)
    for before, solver in zip(whole, (exact, sparse), strict=True):
        assert solver(a, b, signed=True).columns.tolist() == before.columns.tolist()


def test_zero_rows_and_copies_do_not_stop_it():
    x = np.zeros((60, 4))
    x[:20] = np.random.default_rng(0).standard_normal((20, 4))
    x[20:40] = x[:20]
    rows = unit_rows(x, warn=False)
    assert sparse(rows, rows, signed=True).mean == pytest.approx(40 / 60, abs=1e-6)


def test_the_number_of_cosines_chooses_the_solver(monkeypatch):
    a, b = (unit_rows(x) for x in draw(20, 8, "random"))
    assert assign(a, b, signed=True).solver == "exact"
    monkeypatch.setattr(assignment, "DENSE_ENTRIES", 20 * 20 - 1)
    made = assign(a, b, signed=True)
    assert made.solver == "candidates"
    assert made.mean == pytest.approx(exact(a, b, signed=True).mean, abs=1e-6)


def test_prices_make_every_row_content_with_its_partner():
    """Complementary slackness on the graph itself: then the bound over the graph equals the sum."""
    draw_from = np.random.default_rng(0)
    rows, columns = (part.ravel() for part in np.meshgrid(np.arange(30), np.arange(30), indexing="ij"))
    edges = Edges(rows, columns, draw_from.uniform(-1, 1, 900))
    partner, total = solve(edges, 30, 30)
    prices = column_prices(edges, partner, 30)
    left = (edges.values - prices[columns]).reshape(30, 30)
    assert (prices >= 0).all()
    assert prices.sum() + left.max(1).sum() == pytest.approx(total, abs=1e-6)
