"""Truths about the fraction of shared latents."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rows import draw

from saebench.matching import shared_features, unit_rows
from saebench.matching.assignment import assign


def test_a_copy_shares_everything_and_a_stranger_nothing():
    a, b = draw(200, 64, "random")
    order = torch.randperm(200, generator=torch.Generator().manual_seed(1))
    rows, copy, other = unit_rows(a), unit_rows(3 * a[order]), unit_rows(b)
    assert shared_features((rows, copy), (rows, copy), signed=True).curve([0.0, 0.7, 0.999]) == [1.0, 1.0, 1.0]
    assert shared_features((rows, other), (rows, other), signed=True).curve([0.7]) == [0.0]


def test_both_assignments_must_agree_and_both_cosines_reach_the_threshold():
    """Latents 0 and 1 are told by the decoder; the encoder exchanges 2 and 3, and makes 1 a weak match."""
    decoder = unit_rows(np.eye(5))
    turned = np.eye(5)
    turned[1] = [0, 0.6, 0, 0, 0.8]
    turned[[2, 3]] = turned[[3, 2]]
    made = shared_features((decoder, decoder), (decoder, unit_rows(turned)), signed=True)
    assert made.agree.tolist() == [True, True, False, False, True]
    assert made.weakest[:2].tolist() == pytest.approx([1.0, 0.6])
    assert [made.count(threshold) for threshold in (0.5, 0.59, 0.61, 0.9)] == [3, 3, 2, 2]


def test_more_rows_on_one_side_leave_the_surplus_unmatched():
    a, _ = draw(40, 16, "random")
    small, large = unit_rows(a[:25]), unit_rows(a)
    for pair in ((small, large), (large, small)):
        made = shared_features(pair, pair, signed=True)
        assert made.curve([0.7]) == [1.0]
        assert len(made.agree) == 25


def test_zero_rows_are_shared_with_nothing():
    rows = unit_rows(np.vstack([np.eye(3), np.zeros((1, 3))]), warn=False)
    assert shared_features((rows, rows), (rows, rows), signed=True).count(0.7) == 3


def test_an_assignment_that_was_made_before_is_used():
    a, b = (unit_rows(x) for x in draw(100, 16, "half"))
    made = assign(a, b, signed=True)
    again = shared_features((a, b), (a, b), signed=True, decoder=made)
    assert again.decoder is made
    assert again.agree.all()
    assert again.count(0.7) == (made.cosines >= 0.7).sum()


def test_sides_of_another_dictionary_are_refused():
    with pytest.raises(ValueError, match="not those of one dictionary"):
        shared_features((unit_rows(np.eye(3)),) * 2, (unit_rows(np.eye(3)[:2]),) * 2, signed=True)
