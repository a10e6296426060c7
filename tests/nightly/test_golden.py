"""Golden values: the same twice, changes named with their direction, and known orders hold in the tiny world itself."""

from __future__ import annotations

import pytest

from saebench.errors import ResultsError
from saebench.nightly.golden import (
    TOLERANCE,
    UNSTEADY,
    Golden,
    golden_changes,
    golden_values,
    read_golden,
    redefined,
    write_golden,
)
from saebench.nightly.reference import packaged_reference
from saebench.tasks import TASKS


@pytest.fixture(scope="module")
def values():
    made, failures = golden_values()
    assert not failures
    return made


def made_up(**metrics):
    return Golden(definitions={"reconstruction@1": "a"}, values={"reconstruction@1": {"pca": metrics}})


def test_the_packaged_golden_values_hold_here(values):
    """A change of a task's numbers is meant or it is not: if it is, make the reference anew, with the reason."""
    packaged = read_golden(packaged_reference("nightly"))
    assert golden_changes(packaged, values) == ()
    assert redefined(packaged, values) == ()


def test_the_tiny_world_keeps_the_known_order_of_controls(values):
    scores = values.values["reconstruction@1"]
    assert scores["identity"]["loss_recovered"] == 1
    assert scores["identity"]["fvu"] == 0
    assert scores["mean"]["explained_variance"] == pytest.approx(0, abs=1e-6)
    assert scores["pca-l0-4"]["fvu"] < scores["random-32-l0-4-s0"]["fvu"] < scores["permuted-pca-l0-4"]["fvu"]
    truth = values.values["ground_truth@1"]
    assert truth["oracle"]["f1"] == 1
    assert truth["oracle"]["f1"] > truth["random-48-l0-3-s0"]["f1"]


def test_every_metric_of_a_golden_task_is_there_but_the_unsteady(values):
    for task, subjects in values.values.items():
        wanted = {metric.name for metric in TASKS.get(task).card.metrics} - UNSTEADY
        for subject, metrics in subjects.items():
            assert set(metrics) == wanted, (task, subject)


def test_rounding_is_no_change():
    assert golden_changes(made_up(fvu=0.5), made_up(fvu=0.5 + TOLERANCE / 2)) == ()


@pytest.mark.parametrize(
    ("then", "now", "fell"),
    [
        ({"fvu": 0.5}, {"fvu": 0.6}, True),
        ({"fvu": 0.5}, {"fvu": 0.4}, False),
        ({"loss_recovered": 0.5}, {"loss_recovered": 0.4}, True),
        ({"l0": 4.0}, {"l0": 5.0}, False),
        ({"fvu": 0.5}, {"fvu": "nothing varies"}, True),
        ({"fvu": "nothing varies"}, {"fvu": "another reason"}, False),
        ({"fvu": 0.5}, {}, True),
        ({}, {"fvu": 0.5}, False),
    ],
)
def test_a_change_is_named_with_its_direction(then, now, fell):
    (change,) = golden_changes(made_up(**then), made_up(**now))
    (metric,) = {**then, **now}
    assert (change.task, change.subject, change.metric) == ("reconstruction@1", "pca", metric)
    assert (change.then, change.now) == (then.get(metric), now.get(metric))
    assert change.fell == fell


def test_a_definition_that_changed_under_its_version_is_named():
    other = made_up(fvu=0.5).model_copy(update={"definitions": {"reconstruction@1": "b"}})
    assert redefined(made_up(fvu=0.5), other) == ("reconstruction@1",)
    assert redefined(made_up(fvu=0.5), made_up(fvu=0.6)) == ()


def test_values_are_read_back_exactly_and_missing_ones_are_one_clear_error(values, tmp_path):
    write_golden(values, tmp_path)
    assert read_golden(tmp_path) == values
    with pytest.raises(ResultsError, match=r"golden.json: no golden values can be read here"):
        read_golden(tmp_path / "nowhere")
