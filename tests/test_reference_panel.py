"""The results that ship: every task has some, they follow from their items, and none names a place of one machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from saebench.results.store import ResultStore
from saebench.run.panel import load_panel
from saebench.run.suite import load_suite, suite_names
from saebench.subjects import parse
from saebench.submissions.bundle import Scored
from saebench.submissions.recomputing import recompute
from saebench.tasks import TASKS
from saebench.verifier import known

REFERENCE = Path(__file__).parents[1] / "leaderboard" / "reference"
WITHOUT = {
    "audit": "its results are the audits",
    "nightly": "its results are the reference of every night",
    "probing_full": "hours for one task that suite features scores as well",
}
"""Suites that no shipped result belongs to."""


@pytest.fixture(scope="module")
def records():
    return list(ResultStore(REFERENCE / "results").all())


def test_every_suite_and_every_task_has_results(records):
    assert {record.task for record in records} == set(TASKS)
    for name in set(suite_names()) - set(WITHOUT):
        suite = load_suite(name)
        scored = {record.task for record in records if record.suite == suite.label}
        assert scored == {entry.task for entry in suite.tasks}, name


def test_baselines_and_controls_stand_beside_the_dictionaries(records):
    for task in TASKS:
        roles = {record.subject.role for record in records if record.task == task}
        assert None in roles, task
        assert len(roles) > 1, task


def test_dictionaries_are_named_as_their_command_leaves_them(records):
    for record in records:
        text = json.dumps(record.model_dump(mode="json"))
        assert not [place for place in ("/tmp/", "/home/", "/root/", "/Users/") if place in text], record.id
    trained = {record.subject.spec for record in records if parse(record.subject.spec).prefix == "path"}
    named = {
        str(Path(one).relative_to(REFERENCE.parents[1]))
        for panel in ("dictionaries", "known")
        for one in load_panel(str(REFERENCE / f"{panel}.yaml"))
        if parse(one).prefix == "path"
    }
    assert trained == named


@pytest.mark.slow
def test_every_value_follows_from_its_items_by_the_definitions_of_today(records):
    """A metric whose definition changes must be scored again."""
    store, tasks = ResultStore(REFERENCE / "results"), known()
    for record in records:
        again = recompute(Scored(record, store.items(record), ""), tasks.task(record.task))
        assert not again.refusals, (record.subject.name, record.task, again.refusals[:3])
