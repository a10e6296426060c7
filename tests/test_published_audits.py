"""Published audits and the cards that show them: every task has one, of its present definitions, or a reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from saebench.listing import card
from saebench.packaged_files import packaged
from saebench.report.reliability import audit_markdown
from saebench.results.audits import audit_of
from saebench.tasks import TASKS

WITHOUT: dict[str, str] = {
    "autointerp@1": "its numbers are those of a judge that the user names, and no judge is packaged that is good at it",
}
"""Tasks that have not been audited, with the reason."""
LENSES = ("reseed_sd", "cv", "smallest_reliable", "smallest_reliable_paired", "snr", "separated", "trend",
          "validity_f1", "validity_mcc")  # fmt: skip


@pytest.mark.parametrize("task", [name for name in TASKS if name not in WITHOUT])
def test_every_task_is_audited_and_its_card_shows_it(task):
    declared = TASKS.get(task).card
    record = audit_of(declared)
    assert record is not None, "its definitions have changed since the audit: audit it again and publish that"
    assert len(set(record.settings.eval_seeds)) >= 5
    assert (packaged("suites") / "cards" / f"{task}.md").read_text().endswith(audit_markdown(record, declared.headline))
    audited = {one.metric for one in record.metrics}
    assert audited >= {name for name in declared.headline if declared.metric(name).direction != "none"}


def test_no_cell_of_a_published_audit_is_empty_without_its_reason():
    for file in (packaged("suites") / "audits").glob("*.json"):
        for metric in json.loads(file.read_text())["metrics"]:
            cells = [metric[lens] for lens in LENSES]
            assert all(cell["value"] is not None or cell["undefined"] for cell in cells), (file.name, metric["metric"])


def test_an_audit_of_ones_own_results_replaces_the_published_one(tmp_path):
    task = next(name for name in TASKS if name not in WITHOUT)
    published = (packaged("suites") / "audits" / f"{task}.json").read_text()
    own = json.loads(published)
    own["settings"]["lm"] = "a model of one's own"
    (tmp_path / "audits").mkdir()
    (tmp_path / "audits" / f"{task}.json").write_text(json.dumps(own))
    shown = card(task, tmp_path)
    assert "a model of one's own" in shown
    assert shown.count("## Measured reliability") == 1
    assert "a model of one's own" not in card(task, Path("nowhere"))
