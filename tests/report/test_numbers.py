from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saebench.report.numbers import decimals, exact, fixed, label, with_interval
from saebench.report.scales import scale_of
from saebench.results.schema import MetricValue


def measured(value: float, half: float) -> MetricValue:
    return MetricValue(value=value, low=value - half, high=value + half, n=64)


@pytest.mark.parametrize(
    ("half", "text"),
    [(0.0061, "0.912 [0.906, 0.918]"), (0.0021, "0.9123 [0.9102, 0.9144]"), (0.25, "0.91 [0.66, 1.16]")],
)
def test_digits_follow_the_interval(half: float, text: str) -> None:
    one = measured(0.9123, half)
    assert with_interval(one, decimals([one])) == text


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [(-0.0001, 3, "0.000"), (-0.5, 2, "\u22120.50"), (2048, 0, "2,048"), (3.2e9, 2, "3.20e+09"), (0.0, 1, "0.0")],
)
def test_numbers_as_printed(value: float, places: int, text: str) -> None:
    assert fixed(value, places) == text


def test_labels_keep_the_names_of_the_field() -> None:
    names = ("ce_spliced", "loss_recovered", "l0", "fvu")
    assert [label(name) for name in names] == ["CE spliced", "Loss recovered", "L0", "FVU"]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_sort_keys_lose_nothing(value: float) -> None:
    assert float(exact(value)) == value


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, unique=True), st.floats(-1e7, 1e7))
def test_bars_keep_the_order_of_values_and_stay_in_the_column(values: list[float], other: float) -> None:
    scale = scale_of([measured(value, 0.0) for value in values], logarithmic=False)
    if scale is None:
        return
    ordered = [scale.bar(measured(value, 0.0)) for value in sorted([*values, other])]
    places = [bar.value for bar in ordered if bar is not None]
    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)
    outside = scale.bar(measured(max(values) + (max(values) - min(values)), 0.0))
    assert outside is not None
    assert outside.outside == "right"


def test_zero_on_a_logarithmic_scale_lies_beyond_its_left_edge() -> None:
    scale = scale_of([measured(16.0, 1.0), measured(128.0, 1.0)], logarithmic=True)
    assert scale is not None
    bar = scale.bar(MetricValue(value=0.0, low=0.0, high=0.0, n=64))
    assert bar is not None
    assert (bar.low, bar.value, bar.outside) == (0.0, 0.0, "left")
