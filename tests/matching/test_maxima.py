"""Truths about the largest cosine with random directions."""

from __future__ import annotations

import numpy as np
import pytest

from saebench.matching.maxima import LargestCosine


@pytest.mark.parametrize(
    ("m", "d", "signed"), [(1, 5, True), (3, 4, True), (300, 24, True), (300, 24, False), (50, 2, False)]
)
def test_mean_and_quantiles_are_those_of_drawn_directions(m, d, signed):
    random = np.random.default_rng(0)
    draws = []
    for _ in range(40):
        rows = random.normal(size=(500, d))
        others = random.normal(size=(m, d))
        cosines = (rows / np.linalg.norm(rows, axis=1, keepdims=True)) @ (
            others / np.linalg.norm(others, axis=1, keepdims=True)
        ).T
        draws.append((cosines if signed else np.abs(cosines)).max(axis=1))
    found = np.concatenate(draws)
    null = LargestCosine(m, d, signed)
    error = 6 * np.std([one.mean() for one in draws]) / np.sqrt(len(draws))
    assert null.mean == pytest.approx(found.mean(), abs=error)
    p = np.array([0.05, 0.5, 0.95])
    assert null.quantiles(p) == pytest.approx(np.quantile(found, p), abs=0.02 + error)


def test_in_one_dimension_every_direction_is_this_one_or_its_opposite():
    assert LargestCosine(4, 1, signed=False).mean == 1
    assert LargestCosine(4, 1, signed=True).mean == pytest.approx(1 - 2 / 16)
