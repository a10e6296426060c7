"""Concept methods as subjects: kind, identity, the files that list them, and what a user may write wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from saebench.baselines.concepts import CONCEPT_CONTROLS, CONCEPTS
from saebench.errors import UnknownName, UsageError
from saebench.packaged_files import packaged
from saebench.progress import Silent
from saebench.run.checking import check_subject
from saebench.run.evaluate import Settings, plan_suite, set_scene
from saebench.run.group import describe
from saebench.run.suite import load_suite
from saebench.subjects import kind_of, resolve


@pytest.fixture
def stage(world):
    scene = set_scene(load_suite(str(world.suite)), Settings(Path("results")), Silent())
    return scene.stage("blocks.1.hook_resid_post", 0)


def named(name: str) -> str:
    return f"{'control' if name in CONCEPT_CONTROLS else 'baseline'}:{name}"


@pytest.mark.parametrize("name", CONCEPTS.names())
def test_each_is_a_concept_with_an_identity_before_any_fit(name, stage):
    subject = resolve(named(name), stage)
    assert (kind_of(named(name)), subject.kind) == ("concept", "concept")
    assert resolve(subject.spec, stage).fingerprint == subject.fingerprint
    assert (subject.role is not None) == (name in CONCEPT_CONTROLS)
    record = describe(subject)
    assert (record.kind, record.d_dict, record.fingerprint) == ("concept", None, subject.fingerprint)
    with pytest.raises(TypeError, match="no dictionary"):
        subject.dictionary()


def test_settings_are_identity_and_defaults_are_not_written_twice(stage):
    plain, other = (resolve(f"baseline:probe{end}", stage) for end in ("", "?penalty=l1"))
    assert plain.fingerprint == resolve("baseline:probe?penalty=l2", stage).fingerprint != other.fingerprint
    assert (plain.name, other.name) == ("probe", "probe-penalty-l1")


@pytest.mark.parametrize("name", CONCEPTS.names())
def test_each_has_a_file_that_names_its_parameters_and_defaults(name):
    row = yaml.safe_load((packaged("baselines") / f"{name}.yaml").read_text())
    assert {"name", "spec", "method", "parameters", "applies_to", "fitted_on", "role"} <= set(row)
    fields = CONCEPTS.get(name).model_fields
    assert list(row["parameters"]) == list(fields)
    for key, field in fields.items():
        assert row["parameters"][key].endswith(str(field.default))
    assert (row["name"], row["role"]) == (name, CONCEPTS.get(name).role)
    assert kind_of(row["spec"]) == "concept"


@pytest.mark.parametrize("name", CONCEPTS.names())
def test_each_passes_the_check(name):
    report = check_subject(named(name))
    assert report.ok
    assert report.facts["kind"] == "concept method"


def test_the_check_reads_a_model_at_a_site(world):
    report = check_subject("baseline:diffmean", lm=str(world.model), site="blocks.0.hook_mlp_out")
    assert report.ok
    with pytest.raises(UsageError, match="any site: name one"):
        check_subject("baseline:diffmean", lm=str(world.model))


def test_what_is_written_wrongly_is_said(stage, world):
    with pytest.raises(UnknownName, match="did you mean diffmean"):
        resolve("baseline:difmean", stage)
    with pytest.raises(UsageError, match="no parameter 'l0' \\(it has: penalty\\)"):
        resolve("baseline:probe?l0=3", stage)
    with pytest.raises(UsageError, match="penalty: Input should be 'l2' or 'l1'"):
        resolve("baseline:probe?penalty=l3", stage)
    with pytest.raises(UsageError, match="concept method: it cannot be a member"):
        resolve("set:baseline:diffmean,baseline:caa", stage)
    with pytest.raises(UsageError, match="is a concept, and no task of suite small takes one"):
        plan_suite(["baseline:diffmean"], str(world.suite), Settings(Path("results")))
