"""The workflow's promises, and one issue for each cell, with a `gh` that keeps its issues in a file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "nightly.yml"

FAKE_GH = f"""#!{sys.executable}
import json, os, sys
from pathlib import Path
file, words = Path(os.environ["FAKE_ISSUES"]), sys.argv[1:]
issues = json.loads(file.read_text())
flags = {{words[at]: words[at + 1] for at in range(len(words) - 1) if words[at].startswith("--")}}
if words[:2] == ["issue", "list"]:
    print(json.dumps([one for one in issues if one["state"] == "open"]))
elif words[:2] == ["issue", "create"]:
    issues.append({{"number": len(issues) + 1, "title": flags["--title"], "state": "open", "said": [flags["--body"]]}})
elif words[:2] == ["issue", "comment"]:
    issues[int(words[2]) - 1]["said"].append(flags["--body"])
elif words[:2] == ["issue", "close"]:
    issues[int(words[2]) - 1]["state"] = "closed"
elif words[:2] != ["label", "create"]:
    sys.exit(f"unexpected: {{words}}")
file.write_text(json.dumps(issues))
"""


@pytest.fixture
def workflow():
    return yaml.safe_load(WORKFLOW.read_text())


def test_it_runs_at_an_odd_minute_with_no_more_rights_than_it_needs(workflow):
    (schedule,) = workflow[True]["schedule"]
    minute = int(schedule["cron"].split()[0])
    assert minute % 2 == 1
    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in workflow["jobs"]["score"], "the job that computes can write nothing"
    assert workflow["jobs"]["issues"]["permissions"] == {"contents": "read", "issues": "write"}
    assert not workflow["concurrency"]["cancel-in-progress"]


def test_every_action_is_pinned_and_no_words_of_results_reach_a_shell(workflow):
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    for step in steps:
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z/-]+@[0-9a-f]{40}", step["uses"])
        else:
            assert "${{" not in step["run"]


def test_results_are_uploaded_before_they_are_judged(workflow):
    names = [step.get("name", "") for step in workflow["jobs"]["score"]["steps"]]
    assert names.index("Score") < names.index("Keep the results") < names.index("Judge")
    assert names.index("Keep the history") < names.index("Judge")


@pytest.fixture
def tell(tmp_path):
    """Run the script on a report; returns all issues so far."""
    gh, issues = tmp_path / "bin" / "gh", tmp_path / "issues.json"
    gh.parent.mkdir()
    gh.write_text(FAKE_GH)
    gh.chmod(0o755)
    issues.write_text("[]")

    def run(night, fell=(), settled=()):
        report = tmp_path / "report.json"
        made = [{"title": title, "body": f"{title} on {night}"} for title in fell]
        report.write_text(json.dumps({"night": night, "issues": made, "settled": list(settled)}))
        environment = os.environ | {"PATH": f"{gh.parent}:{os.environ['PATH']}", "FAKE_ISSUES": str(issues)}
        script = ROOT / "scripts" / "nightly_issues.py"
        subprocess.run([sys.executable, script, report], check=True, env=environment)
        return json.loads(issues.read_text())

    return run


def test_a_cell_has_one_issue_however_many_nights_it_stays_down(tell):
    a, b = "Nightly: fvu of a fell", 'Nightly: kl of "b"; $(reboot) `x` fell'
    assert [one["title"] for one in tell("first", [a, b])] == [a, b]
    again = tell("second", [b])
    assert [one["title"] for one in again] == [a, b]
    assert [len(one["said"]) for one in again] == [1, 2]
    assert {one["state"] for one in again} == {"open"}, "a cell that could not be judged stays open"
    closed = tell("third", [], settled=[a, "Nightly: another that never fell"])
    assert [one["state"] for one in closed] == ["closed", "open"]
    reopened = tell("fourth", [a])
    assert [one["title"] for one in reopened] == [a, b, a]
