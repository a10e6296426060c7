"""Runs of a suite: what is done stays done, whatever happens in between."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from saebench.dictionaries.fakes import RandomLinear
from saebench.errors import ConfigError, SiteError, UnitsFailed, UnknownName, UsageError
from saebench.results.store import ResultStore
from saebench.run.evaluate import Settings, plan_suite, run_suite

KILLER = """
import os, signal, sys
from pathlib import Path
from saebench.bench import FileJournal
from saebench.run.evaluate import Settings, run_suite

left = [int(sys.argv[3])]
save = FileJournal.save

def saving(self, done, arrays):
    save(self, done, arrays)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)

FileJournal.save = saving
run_suite([sys.argv[2]], sys.argv[1], Settings(Path(sys.argv[4])))
"""


def metrics(outcome) -> dict[str, dict]:
    return {
        record.subject.name: {name: value.model_dump() for name, value in record.metrics.items()}
        for record in outcome.records
    }


def run(world, out: str, *subjects, **settings):
    return run_suite([str(world.dictionary), *subjects], str(world.suite), Settings(Path(out), **settings))


def test_a_run_killed_in_the_middle_ends_bit_equal(world):
    whole = run(world, "whole")
    killed = subprocess.run(
        [sys.executable, "-c", KILLER, str(world.suite), str(world.dictionary), "3", "killed"], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert not list(Path("killed").rglob("*.json"))
    again = run(world, "killed")
    assert len(again.computed) == 5
    assert metrics(again) == metrics(whole)
    for one in whole.records:
        same = ResultStore(Path("killed")).read(one.id)
        assert same.items is not None
        assert one.items is not None
        assert same.items.sha256 == one.items.sha256
    assert not list(Path("killed/.journal").glob("*.npz"))


def test_a_new_subject_computes_only_itself_and_equals_company(world):
    together = run(world, "together", "control:random?d_dict=32&l0=3&seed=7")
    run(world, "apart")
    apart = run(world, "apart", "control:random?d_dict=32&l0=3&seed=7")
    assert [record.subject.name for record in apart.computed] == ["random-32-l0-3-s7"]
    assert metrics(apart) == metrics(together)


def test_the_same_subject_under_two_names_is_scored_once(world):
    outcome = run(world, "results", "control:random", "baseline:random", f"{world.dictionary}/")
    names = [record.subject.name for record in outcome.records]
    assert len(names) == len(set(names)) == 5


def test_batch_size_is_no_part_of_identity_and_changes_rounding_at_most(world):
    first, second = run(world, "a", batch_size=2), run(world, "b", batch_size=7)
    assert {record.id for record in first.records} == {record.id for record in second.records}
    for name, values in metrics(first).items():
        for metric, value in values.items():
            other = metrics(second)[name][metric]
            for end in ("value", "low", "high"):
                expected = None if value[end] is None else pytest.approx(value[end], rel=1e-5, abs=1e-9)
                assert other[end] == expected, (name, metric, end)


def test_what_decides_a_number_decides_its_id(world):
    ids = {record.id for record in run(world, "results").records}
    for changes in ({"seeds": (1,)}, {"dtype": "bfloat16"}):
        other = {record.id for record in run(world, "results", **changes).records}
        assert not ids & other, changes


def test_identity_is_exactly_one_in_bfloat16(world):
    made = metrics(run(world, "results", dtype="bfloat16"))
    assert made["identity"]["loss_recovered"]["value"] == 1.0
    assert made["identity"]["fvu"]["value"] == 0.0


def test_sites_inside_a_block_are_resumed_too(world):
    suite = Path("inside.yaml")
    suite.write_text(world.suite.read_text().replace("blocks.1.hook_resid_post", "blocks.1.hook_mlp_out"))
    outcome = run_suite([], str(suite), Settings(Path("results")))
    assert metrics(outcome)["identity"]["loss_recovered"]["value"] == 1.0
    assert metrics(outcome)["mean"]["explained_variance"]["value"] == pytest.approx(0.0, abs=1e-6)


def test_a_dictionary_in_memory_and_a_stranger_object_are_scored(world):
    import saebench

    class Stranger:
        def __init__(self, made: RandomLinear) -> None:
            self.W_dec = made.rows

        def encode(self, x):
            return (x @ self.W_dec.T).relu()

        def decode(self, codes):
            return codes @ self.W_dec

    ours = RandomLinear.draw(16, 48, seed=3)
    results = saebench.evaluate([ours, Stranger(ours)], str(world.suite), out="results", site=world.site)
    table = results.pivot("reconstruction@1")
    rows = table[~table.index.isin(["identity", "mean", "pca-l0-4", "random-64-l0-4-s0"])]
    assert len(rows) == 2
    assert rows["fvu"].iloc[0] == pytest.approx(rows["fvu"].iloc[1], rel=1e-5)
    assert saebench.compare(results, base="identity")


def test_failures_are_reported_after_the_rest_is_stored(world):
    import saebench

    class Broken(RandomLinear):
        def encode(self, x, context=None):
            raise ValueError("broken on purpose")

    broken = Broken.draw(16, 48, seed=3)
    with pytest.raises(UnitsFailed, match="broken on purpose"):
        saebench.evaluate([broken, str(world.dictionary)], str(world.suite), out="results", site=world.site)
    assert {path.parent.parent.name for path in Path("results").rglob("*.json")} >= {"topk", "identity"}


@pytest.mark.parametrize(
    ("subject", "error"),
    [
        ("control:identty", UnknownName),
        ("baseline:pca?l0=99", UsageError),
        ("baseline:pca?k=3", UsageError),
        ("control:random?l0=many", UsageError),
        ("control:permuted", UsageError),
        ("set:a,b", UsageError),
        ("sealens:a/b", UnknownName),
    ],
)
def test_wrong_subjects_are_refused_before_anything_is_computed(world, subject, error):
    with pytest.raises(error):
        plan_suite([subject], str(world.suite), Settings(Path("results")))


def test_a_site_that_contradicts_provenance_is_refused_even_when_widths_agree(world):
    with pytest.raises(SiteError, match="trained at"):
        run(world, "results", site=world.other)


def test_permuted_keeps_codes_and_loses_reconstruction(world):
    made = metrics(run(world, "results", f"control:permuted?of={world.dictionary}"))
    assert made["permuted-topk"]["l0"] == made["topk"]["l0"]
    assert made["permuted-topk"]["fvu"]["value"] > made["topk"]["fvu"]["value"]


def test_a_subject_inside_a_subject_keeps_its_parameters(world):
    inner = "control:random?d_dict=32&l0=3&seed=7"
    _, plan = plan_suite([f"control:permuted?seed=2&of={inner}"], str(world.suite), Settings(Path("results")))
    subject = next(unit.subject for unit in plan.units if unit.subject.role == "permuted")
    assert subject.dictionary().d_dict == 32
    _, again = plan_suite([subject.spec], str(world.suite), Settings(Path("results")))
    assert subject.fingerprint in {unit.subject.fingerprint for unit in again.units}


def test_a_path_may_hold_any_character(world):
    import shutil

    folder = Path("a+b %20c")
    shutil.copytree(world.dictionary, folder)
    _, plan = plan_suite([f"control:permuted?of={folder}"], str(world.suite), Settings(Path("results")))
    assert any(unit.subject.role == "permuted" for unit in plan.units)


def test_permuted_goes_to_the_site_of_its_dictionary(world):
    other = Path("other")
    sae = RandomLinear.draw(16, 48, seed=3)
    sae.sites_in = sae.sites_out = (world.other,)
    _, plan = plan_suite([sae, f"control:permuted?of={world.dictionary}"], str(world.suite), Settings(other))
    assert {unit.subject.site for unit in plan.units if unit.subject.role == "permuted"} == {world.site}


def test_a_parameter_that_a_task_does_not_have_is_refused(world):
    suite = Path("suite.yaml")
    suite.write_text(world.suite.read_text().replace("reconstruction@1", "reconstruction@1\n    params: {foo: 1}"))
    with pytest.raises(ConfigError, match="foo"):
        plan_suite([], str(suite), Settings(Path("results")))


def test_scoring_leaves_the_user_s_dictionary_as_it_was(world):
    sae = RandomLinear.draw(16, 48, seed=3)
    before = sae.fingerprint()
    run_suite([sae], str(world.suite), Settings(Path("results"), site=world.site, dtype="bfloat16"))
    assert sae.fingerprint() == before


def test_results_hold_no_nan_and_every_null_a_reason(world):
    run(world, "results")
    for path in Path("results").rglob("*.json"):
        record = json.loads(path.read_text(), parse_constant=lambda text: pytest.fail(text))
        for name, value in record["metrics"].items():
            assert value["value"] is not None or value["undefined"], name
