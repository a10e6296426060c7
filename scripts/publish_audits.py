"""Publish audits: `python scripts/publish_audits.py RESULTS...`.

Puts RESULTS/audits/*.json under suites/audits, and their tables of headline metrics at the end of the tasks' cards.
tests/test_published_audits.py holds both together.
"""

from __future__ import annotations

import sys
from pathlib import Path

from saebench.report.reliability import TITLE, audit_markdown
from saebench.results.audits import FOLDER, read_audit
from saebench.tasks import TASKS

SUITES = Path(__file__).parents[1] / "suites"


def publish(file: Path) -> None:
    """One audit."""
    record = read_audit(file)
    card = TASKS.get(record.task).card
    if record.metrics_fingerprint != card.fingerprint():
        raise SystemExit(f"{file} is an audit of other definitions: audit {record.task} again")
    (SUITES / FOLDER).mkdir(exist_ok=True)
    (SUITES / FOLDER / file.name).write_bytes(file.read_bytes())
    prose = SUITES / "cards" / f"{record.task}.md"
    text = prose.read_text().partition(TITLE)[0].rstrip()
    prose.write_text(f"{text}\n\n{audit_markdown(record, card.headline)}")


if __name__ == "__main__":
    for results in sys.argv[1:]:
        for found in sorted((Path(results) / FOLDER).glob("*@*.json")):
            publish(found)
