"""Verdicts on made-up cells: each kind, what fresh seeds change, and what makes no verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from nights import compared

from saebench.nightly.comparing import Cell, Compared
from saebench.nightly.margins import Margin
from saebench.nightly.verdicts import judge, moves

RNG = np.random.default_rng(1)
BEFORE = RNG.uniform(0.3, 0.7, 40)
NOISE = RNG.normal(0, 0.02, 40)
NOISE -= NOISE.mean()


def kinds(*cells, again=()):
    return {verdict.cell.subject: verdict.kind for verdict in judge(cells, again)}


def test_each_kind_of_verdict():
    cells = (
        compared("fell", BEFORE, BEFORE - 0.1 + NOISE),
        compared("rose", BEFORE, BEFORE + 0.1 + NOISE),
        compared("as it was", BEFORE, BEFORE),
        compared("a little noise", BEFORE, BEFORE + NOISE),
        compared("much noise", BEFORE, BEFORE + 10 * NOISE),
        Compared(Cell("new", "toy@1", "", "quality"), "new", "up", reason="not in the reference"),
    )
    again = (compared("fell", BEFORE, BEFORE - 0.1 + NOISE), compared("rose", BEFORE, BEFORE + 0.1 + NOISE))
    assert kinds(*cells, again=again) == {
        "fell": "regressed",
        "rose": "improved",
        "as it was": "equivalent",
        "a little noise": "equivalent",
        "much noise": "inconclusive",
        "new": "not comparable",
    }


def test_without_confirmation_there_is_no_alarm():
    fell = compared("fell", BEFORE, BEFORE - 0.1 + NOISE)
    assert list(moves([fell])) == [fell.cell]
    alone = judge([fell])[0]
    assert alone.kind == "inconclusive"
    assert "not scored again" in alone.reason
    for now in (BEFORE + NOISE, BEFORE + 0.1 + NOISE):
        other = judge([fell], [compared("fell", BEFORE, now)])[0]
        assert other.kind == "inconclusive"
        assert "fresh seeds do not show it" in other.reason


def test_lower_is_better_turns_falls_round():
    cell = compared("error", BEFORE, BEFORE + 0.1 + NOISE, direction="down")
    assert kinds(cell, again=[cell]) == {"error": "regressed"}


def test_a_significant_change_inside_the_margin_is_equivalent():
    cell = compared("tiny", BEFORE, BEFORE - 0.01 + NOISE / 100)
    assert cell.difference.p < 1e-3
    assert kinds(cell, again=[cell]) == {"tiny": "equivalent"}


def test_an_open_cell_says_what_would_have_been_seen():
    verdict = judge([compared("noisy", BEFORE, BEFORE + 10 * NOISE)])[0]
    assert verdict.detectable > verdict.compared.difference.detectable, "both hurdles ask for more than one test does"
    assert f"{verdict.detectable:.3g}" in verdict.reason


def test_few_clusters_cannot_show_anything_in_a_large_family():
    few = compared("few", BEFORE[:10], BEFORE[:10] - 0.3)
    many = [compared(f"other {number}", BEFORE, BEFORE + NOISE) for number in range(60)]
    verdict = judge([few, *many])[0]
    assert verdict.kind == "inconclusive"
    assert verdict.detectable is None
    assert "10 clusters are too few" in verdict.reason


@pytest.mark.parametrize(("changed", "kind"), [(0.0, "equivalent"), (0.01, "inconclusive")])
def test_without_a_margin_only_equal_items_are_equivalent(changed, kind):
    now = BEFORE + changed * (1 + NOISE)
    cell = replace(compared("no audit", BEFORE, now), margin=Margin(None, "no audit"))
    verdict = judge([cell])[0]
    assert verdict.kind == kind
    assert verdict.reason == ("no audit" if changed else "")


def test_the_order_of_cells_and_the_names_of_subjects_change_nothing():
    cells = [compared(f"s{number}", BEFORE, BEFORE - 0.02 * number + NOISE) for number in range(6)]
    forward, backward = judge(cells, cells), judge(cells[::-1], cells)
    assert {one.cell: one.kind for one in forward} == {one.cell: one.kind for one in backward}
    assert {one.cell: one.p_adjusted for one in forward} == {one.cell: one.p_adjusted for one in backward}
