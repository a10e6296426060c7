"""One issue for each thing that fell: `python scripts/nightly_issues.py REPORT.json`, with GitHub's `gh` at hand.

An issue is found again by its title, which is the same every night: an open one gets a comment, a missing one is
opened, and one that tonight has an answer to is closed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LABEL = "nightly"
MOST = "1000"
"""Open issues that are looked through."""


def gh(*words: str) -> str:
    """What GitHub's command says. Words are handed over as they are, never through a shell."""
    return subprocess.run(["gh", *words], check=True, capture_output=True, text=True).stdout


def tell(report: Path) -> None:
    """Bring the issues in line with a report."""
    night = json.loads(report.read_text(encoding="utf-8"))
    gh("label", "create", LABEL, "--force", "--description", "Found by saebench nightly")
    found = json.loads(
        gh("issue", "list", "--label", LABEL, "--state", "open", "--limit", MOST, "--json", "number,title")
    )
    open_ones = {one["title"]: str(one["number"]) for one in found}
    for issue in night["issues"]:
        if number := open_ones.get(issue["title"]):
            gh("issue", "comment", number, "--body", issue["body"])
        else:
            gh("issue", "create", "--label", LABEL, "--title", issue["title"], "--body", issue["body"])
    for title in sorted(open_ones.keys() & set(night["settled"])):
        gh("issue", "close", open_ones[title], "--comment", f"Night {night['night']} no longer sees it.")


if __name__ == "__main__":
    tell(Path(sys.argv[1]))
