"""Registries: light listing, near misses, no silent overwriting."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint

import pytest

import saebench
from saebench import registry as registries
from saebench.errors import PluginError, UnknownName, UsageError
from saebench.registry import Registry


def test_an_entry_named_by_text_is_imported_on_first_use():
    made: Registry[object] = Registry("thing")
    made.add("dumps", "json:dumps")
    assert made.names() == ["dumps"]
    assert made.get("dumps") is json.dumps


def test_a_near_miss_is_suggested():
    made: Registry[int] = Registry("number", remedy="Count again.")
    made.add("seven", 7)
    with pytest.raises(UnknownName, match=r"unknown number 'sevn': did you mean seven\? Count again\."):
        made.get("sevn")


def test_a_taken_name_is_refused_and_the_same_entry_twice_is_not():
    made: Registry[int] = Registry("number")
    made.add("seven", 7)
    made.add("seven", 7)
    with pytest.raises(UsageError, match="registered already"):
        made.add("seven", 8)


def test_strangers_register_through_entry_points(monkeypatch):
    point = EntryPoint("dumps", "json:dumps", "saebench.tests")
    monkeypatch.setattr(registries, "entry_points", lambda group: [point] if group == "saebench.tests" else [])
    made: Registry[object] = Registry("thing", "saebench.tests")
    assert "dumps" in made
    assert made.get("dumps") is json.dumps


def test_a_strangers_entry_that_cannot_be_imported_names_its_package(monkeypatch):
    monkeypatch.setattr(registries, "entry_points", lambda group: [EntryPoint("gone", "no_such_module:x", group)])
    made: Registry[object] = Registry("thing", "saebench.tests")
    with pytest.raises(PluginError, match=r"thing 'gone' comes from the package no_such_module.*repair that package"):
        made.get("gone")


def test_an_entry_of_ours_that_cannot_be_imported_is_a_bug_and_stays_one():
    made: Registry[object] = Registry("thing")
    made.add("gone", "no_such_module:x")
    with pytest.raises(ModuleNotFoundError):
        made.get("gone")


def test_the_public_surface_is_what_all_says():
    assert sorted(saebench.__all__) == dir(saebench)
    for name in saebench.__all__:
        assert getattr(saebench, name)
    with pytest.raises(AttributeError):
        saebench.__getattr__("nothing_of_the_kind")
