"""The workflow that publishes documentation and leaderboard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture
def workflow():
    return yaml.safe_load((ROOT / ".github" / "workflows" / "pages.yml").read_text())


def test_only_the_job_that_publishes_may_write_and_it_runs_nothing_of_the_repository(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in workflow["jobs"]["build"]
    assert workflow["jobs"]["publish"]["permissions"] == {"pages": "write", "id-token": "write"}
    (step,) = workflow["jobs"]["publish"]["steps"]
    assert step["uses"].startswith("actions/deploy-pages@")
    assert set(workflow[True]) == {"push", "workflow_dispatch"}, "never on a pull request"


def test_every_action_is_pinned_and_nothing_is_pasted_into_a_shell(workflow):
    for step in [step for job in workflow["jobs"].values() for step in job["steps"]]:
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z/-]+@[0-9a-f]{40}", step["uses"])
        else:
            assert "${{" not in step["run"]


def test_the_shipped_results_are_on_the_page(workflow):
    (build,) = [step["run"] for step in workflow["jobs"]["build"]["steps"] if step.get("name") == "Build"]
    (results,) = re.findall(r"leaderboard build (\S+) ", build)
    assert (ROOT / results).is_dir()
