"""From a results folder to the leaderboard: reads the results, finds the cards of their tasks, writes the page."""

from __future__ import annotations

from pathlib import Path

from saebench.report.page import TITLE, write_page
from saebench.results.schema import ResultRecord
from saebench.results.store import ResultStore
from saebench.tasks import TASKS
from saebench.tasks.contract import Card


def build_leaderboard(results: Path, out: Path, title: str = TITLE) -> Path:
    """Write `out/index.html` from every result below the folder `results`; returns its path.

    Raises:
        ResultsError: the folder is not there, or a result is damaged or of a newer schema.
        StorageError: the page cannot be written.
    """
    records = list(ResultStore(results).all())
    return write_page(records, out, title, cards=cards_of(records))


def cards_of(records: list[ResultRecord]) -> dict[str, Card]:
    """Cards of the tasks that occur, by task name; tasks that are not installed here have none."""
    return {task: TASKS.get(task).card for task in sorted({r.task for r in records}) if task in TASKS}
