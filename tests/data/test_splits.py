"""Splits of labelled sets: balanced, disjoint, by content and seed alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saebench.data.labelled import Labelled, RawRow, clean
from saebench.data.splits import positives, split
from saebench.errors import DataError


def made(labels: list[str], groups: list[str] | None = None, sides: list[str] | None = None) -> Labelled:
    rows = [
        RawRow(
            f"text {index}", label, f"row {index}", groups[index] if groups else None, sides[index] if sides else None
        )
        for index, label in enumerate(labels)
    ]
    return clean("toy", rows, licence="none", revision="1", source="toy")


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.sampled_from("abc"), min_size=40, max_size=120),
    groups=st.integers(4, 200),
    train=st.integers(2, 100),
    test=st.integers(2, 60),
    seed=st.integers(0, 5),
)
def test_sides_are_balanced_disjoint_and_keep_groups_together(labels, groups, train, test, seed):
    if min(labels.count(label) for label in "abc") < 8:
        return
    data = made(labels, [f"group {index % groups}" for index in range(len(labels))])
    for positive in positives(data):
        try:
            found = split(data, positive, train_rows=train, test_rows=test, seed=seed)
        except DataError:
            assert groups < 30, "with few groups one side may lack a class"
            continue
        for rows, y, most in ((found.train, found.y_train, train), (found.test, found.y_test, test)):
            assert len(rows) <= most
            assert 2 * y.sum() == len(y)
            assert all((data.examples[row].label == positive) == bool(one) for row, one in zip(rows, y, strict=True))
        sides = [{data.examples[row].group for row in rows} for rows in (found.train, found.test)]
        assert not sides[0] & sides[1]


def test_the_order_of_rows_does_not_matter_and_the_seed_does():
    labels = ["a", "b"] * 60
    rows = [RawRow(f"text {index}", label, f"row {index}") for index, label in enumerate(labels)]
    forwards = clean("toy", rows, licence="", revision="", source="toy")
    backwards = clean("toy", rows[::-1], licence="", revision="", source="toy")

    def tested(data, seed):
        found = split(data, "b", train_rows=60, test_rows=30, seed=seed)
        return [data.examples[row].text for row in found.test], [data.examples[row].text for row in found.train]

    assert tested(forwards, 0) == tested(backwards, 0)
    assert tested(forwards, 0) != tested(forwards, 1)


def test_more_training_rows_only_add_rows():
    data = made(["a", "b"] * 100)
    small, large = (split(data, "b", train_rows=size, test_rows=40, seed=3) for size in (20, 80))
    assert set(small.train) < set(large.train)
    assert np.array_equal(small.test, large.test)


def test_a_given_split_is_kept():
    data = made(["a", "b"] * 30, sides=["test" if index < 20 else "train" for index in range(60)])
    found = split(data, "b", train_rows=100, test_rows=100, seed=0)
    assert {data.examples[row].split for row in found.test} == {"test"}
    assert {data.examples[row].split for row in found.train} == {"train"}
    assert (len(found.test), len(found.train)) == (20, 40)


def test_a_side_without_a_class_is_refused():
    data = made(["a", "b"] * 30, sides=["test" if index % 2 else "train" for index in range(60)])
    with pytest.raises(DataError, match="no row in the training part"):
        split(data, "b", train_rows=10, test_rows=10, seed=0)
