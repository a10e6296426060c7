"""Sets and pairs as subjects: identity, members, controls, the tasks that take them, and their comparison."""

from __future__ import annotations

import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from saebench.errors import UsageError
from saebench.report.comparing import compare_results
from saebench.results.frame import Results
from saebench.results.items import ItemTable
from saebench.run.evaluate import Settings, plan_suite, run_suite
from saebench.subjects import resolve
from saebench.tasks import TASKS
from saebench.tasks.contract import Card, Metric, Scores, Task

RANDOM = [f"control:random?seed={seed}" for seed in range(4)]


class Agree(Task):
    """Mean cosine of the first atoms of every two members: a toy of consistency."""

    takes = ("set",)
    card = Card(
        id="agree",
        version=1,
        question="How alike are first atoms?",
        source="none",
        metrics=(Metric("agreement", "Cosine.", {"cosine": 1}, {"1": 1}, "pairs", direction="up"),),
        headline=("agreement",),
    )

    def needs(self, subject):
        return ()

    def run(self, subjects, bench):
        scores = {}
        for subject in bench.alive(subjects):
            with bench.guard(subject):
                atoms = {one.name: one.dictionary().atoms[0].numpy() for one in subject.members}
                couples = list(combinations(sorted(atoms), 2))
                cosines = np.array([atoms[a] @ atoms[b] for a, b in couples], dtype=np.float64)
                first, second = zip(*couples, strict=True)
                names = tuple(f"{a} ~ {b}" for a, b in couples)
                scores[subject.fingerprint] = Scores({"pairs": ItemTable(names, first, {"cosine": cosines}, second)})
        return scores


@pytest.fixture
def suite(world, tmp_path):
    TASKS.add("agree@1", Agree)
    text = world.suite.read_text().replace("  - task: reconstruction@1\n", "  - task: agree@1\n")
    text = text.replace('"control:mean"', '"control:mean", "set:control:permuted"')
    path = tmp_path / "groups.yaml"
    path.write_text(text)
    yield path
    TASKS.remove("agree@1")


def run(suite: Path, *subjects: str):
    return run_suite(subjects, str(suite), Settings(Path("results")))


def test_a_set_is_one_subject_whatever_the_order_of_its_members(world, suite):
    done = run(suite, f"set:{','.join(RANDOM)}")
    assert not done.failures
    (record,) = done.records
    assert (record.subject.kind, record.subject.role) == ("set", "random")
    assert [one["fingerprint"] for one in record.subject.provenance["members"]]
    assert record.metrics["agreement"].n == 4
    assert record.metrics["agreement"].low < record.metrics["agreement"].high
    again = run(suite, f"set:{','.join(reversed(RANDOM))}")
    assert not again.computed


def test_a_pair_has_an_order_and_a_set_none(world):
    scene, _ = plan_suite([], str(world.suite), Settings(Path("results")))
    stage = scene.stage(world.site, 0)
    there, back = (resolve(f"pair:{a},{b}", stage) for a, b in (RANDOM[:2], RANDOM[1::-1]))
    assert there.fingerprint != back.fingerprint
    with pytest.raises(UsageError, match="has 3 members"):
        resolve(f"pair:{','.join(RANDOM[:3])}", stage)
    assert there.fingerprint != resolve(f"set:{RANDOM[0]},{RANDOM[1]}", stage).fingerprint


def test_two_sets_are_compared_by_jackknife(world, suite):
    done = run(suite, f"set:{','.join(RANDOM)}", f"set:{','.join(RANDOM[:3])}")
    (comparison,) = compare_results(Results(done.records, Path("results")))
    assert comparison.tests == 1
    assert all(row.letters for row in comparison.rows)


def test_a_pattern_names_members_and_the_permuted_set_follows(world, suite):
    for copy in ("topk-a", "topk-b"):
        shutil.copytree(world.dictionary, Path("kept") / copy)
    done = run(suite, "set:kept/topk*")
    assert not done.failures, "two copies of one dictionary are two members"
    permuted = next(one for one in done.records if one.subject.role == "permuted")
    assert permuted.subject.spec.count("control:permuted?seed=") == 2


def test_names_that_are_alike_are_told_apart_by_folder(world, suite):
    for folder in ("short", "long"):
        for copy in ("topk-s0", "topk-s1"):
            shutil.copytree(world.dictionary, Path(folder) / copy)
    scene, plan = plan_suite(["set:short/topk*"], str(suite), Settings(Path("results")))
    assert [unit.subject.name for unit in plan.units if not unit.subject.role] == ["topk x2"]
    pair = resolve("pair:short/topk-s0,long/topk-s0", scene.stage(world.site, 0))
    assert pair.name == "short-topk-s0 ~ long-topk-s0"


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("set:control:random", "has 1 members"),
        ("pair:control:random?seed=0,control:random?seed=1", "is a pair, and no task of suite"),
        ("set:control:random,control:random", "a member twice"),
        ("set:nowhere/topk*", "nothing is called 'nowhere/topk\\*'"),
        ("control:random", "is a dictionary, and no task of suite"),
    ],
)
def test_wrong_groups_are_refused(world, suite, subject, words):
    with pytest.raises(UsageError, match=words):
        plan_suite([subject], str(suite), Settings(Path("results")))


def test_a_suite_of_dictionaries_takes_no_set(world):
    with pytest.raises(UsageError, match=r"is a set, and no task of suite .* takes one \(reconstruction@1 takes a"):
        plan_suite(["set:control:random?seed=0,control:random?seed=1"], str(world.suite), Settings(Path("results")))
