"""Tasks with parameters and data of their own, from suite to table: identity, controls, no ranks where unfit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from saebench.errors import ConfigError
from saebench.report.comparing import compare_results
from saebench.results.frame import Results
from saebench.results.items import ItemTable
from saebench.results.schema import DataRecord
from saebench.run.evaluate import Settings, plan_suite, run_suite
from saebench.tasks import TASKS
from saebench.tasks.contract import Card, Metric, Params, Scores, Task

NUMBERS = 24


class Sizes(Params):
    """Settings of the toy."""

    length: int = 3
    """How long."""


class Weigh(Task):
    """Scores a dictionary by its number of latents, on numbers of its own."""

    card = Card(
        id="weigh",
        version=1,
        question="How many latents?",
        source="none",
        metrics=(Metric("latents", "Latents.", {"latents": 1}, {"1": 1}, "numbers", direction="up"),),
        headline=("latents",),
        paired_by={"numbers": "number"},
        unfit="it is a toy",
    )
    parameters = Sizes
    made: list[int] = []  # noqa: RUF012 - counts across instances

    def data(self, params, lm, eval_seed):
        assert isinstance(params, Sizes)
        return (
            DataRecord(
                part="numbers",
                name="numbers",
                fingerprint=f"numbers {params.length} {eval_seed}",
                licence="none",
                documents=NUMBERS,
                tokens=0,
                packing={},
                mask_rule="none",
            ),
        )

    def needs(self, subject):
        return ()

    def run(self, subjects, bench):
        assert isinstance(bench.params, Sizes)

        def make():
            self.made.append(bench.params.length)
            return {"base": np.arange(float(NUMBERS))}

        scores = {}
        for subject in bench.alive(subjects):
            with bench.guard(subject):
                base = bench.artefact("numbers", {"length": bench.params.length}, make)["base"]
                names = tuple(str(index) for index in range(NUMBERS))
                column = base + subject.dictionary().d_dict
                scores[subject.fingerprint] = Scores({"numbers": ItemTable(names, names, {"latents": column})})
        return scores


@pytest.fixture
def suite(world, tmp_path):
    Weigh.made.clear()
    TASKS.add("weigh@1", Weigh)
    text = world.suite.read_text().replace(
        "  - task: reconstruction@1\n", "  - task: weigh@1\n    params: {length: 4}\n"
    )
    text = text.replace('"control:mean"', '"control:mean", "control:permuted"')
    path = tmp_path / "own.yaml"
    path.write_text(text)
    yield path
    TASKS.remove("weigh@1")


def run(suite: Path, *subjects: str, out: str = "results"):
    return run_suite(subjects, str(suite), Settings(Path(out)))


def test_parameters_and_data_are_identity(world, suite):
    first = run(suite, str(world.dictionary))
    (record,) = [one for one in first.records if one.subject.name == "topk"]
    assert record.identity.params == {"length": 4}
    assert record.identity.data == {"numbers": "numbers 4 0"}
    assert record.data[0].name == "numbers"
    suite.write_text(suite.read_text().replace("    params: {length: 4}\n", ""))
    second = run(suite, str(world.dictionary))
    assert len(second.computed) == len(first.computed)
    (default,) = [one for one in second.records if one.subject.name == "topk"]
    assert default.identity.params == {"length": 3}, "a default is as much identity as a setting"
    assert Weigh.made == [4, 3], "one artefact for all subjects of a setting"
    assert not run(suite, str(world.dictionary)).computed


@pytest.mark.parametrize(
    ("params", "words"),
    [("{lenght: 4}", r"no parameter 'lenght' \(it has: length\)"), ("{length: many}", "parameter 'length'.*integer")],
)
def test_a_wrong_parameter_is_refused_before_anything_runs(world, suite, params, words):
    suite.write_text(suite.read_text().replace("{length: 4}", params))
    with pytest.raises(ConfigError, match=words):
        run(suite, str(world.dictionary))


def test_a_permuted_control_without_a_dictionary_permutes_the_first_of_its_site(world, suite):
    _, plan = plan_suite([str(world.dictionary)], str(suite), Settings(Path("results")))
    assert f"control:permuted?seed=0&of={world.dictionary}" in {unit.subject.spec for unit in plan.units}
    _, alone = plan_suite([], str(suite), Settings(Path("results")))
    assert not [unit for unit in alone.units if unit.subject.role == "permuted"]


def test_a_task_that_must_not_rank_has_values_and_no_ranks(world, suite):
    outcome = run(suite, str(world.dictionary))
    (table,) = compare_results(Results.of(outcome.records, Path("results")), base="topk")
    assert table.unfit == "it is a toy"
    assert all(row.rank is None and row.letters == () for row in table.rows)
    assert [row.estimate.value for row in table.rows if row.subject == "topk"] == [64 + (NUMBERS - 1) / 2]
    assert any(row.difference is not None and row.difference.value == 0 for row in table.rows)


def test_the_reason_stands_on_the_page_and_in_the_table(world, suite):
    from saebench.report.comparing import Tables, render
    from saebench.report.leaderboard import build_leaderboard

    outcome = run(suite, str(world.dictionary))
    tables = Tables(tuple(compare_results(Results.of(outcome.records, Path("results")))))
    assert "Not for ranking: it is a toy" in str(render(tables, "markdown", 100))
    assert tables.to_json()[0]["metrics"][0]["unfit"] == "it is a toy"
    page = build_leaderboard([Path("results")], Path("page"))
    assert "<strong>Not for ranking.</strong> it is a toy" in page.read_text()
