"""From a results folder to the leaderboard: reads the results, ranks them on their headline metric, writes the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from saebench.report.page import TITLE, write_page
from saebench.report.view import Standing, headline_of, unique
from saebench.results.audits import audit_of
from saebench.results.comparison import compare_records
from saebench.results.schema import ResultRecord
from saebench.results.scopes import scopes_of
from saebench.results.store import ResultStore
from saebench.tasks import TASKS
from saebench.tasks.contract import Card


def build_leaderboard(results: Path, out: Path, title: str = TITLE) -> Path:
    """Write `out/index.html` from every result below the folder `results`; returns its path.

    Raises:
        ResultsError: the folder is not there, or a result is damaged or of a newer schema.
        StorageError: the page cannot be written.
    """
    store = ResultStore(results)
    records = unique(list(store.all()))
    cards = cards_of(records)
    audits = {task: audit for task, card in cards.items() if (audit := audit_of(card, results))}
    return write_page(records, out, title, cards=cards, standings=standings_of(records, store, cards), audits=audits)


def cards_of(records: Sequence[ResultRecord]) -> dict[str, Card]:
    """Cards of the tasks that occur, by task name; tasks that are not installed here have none."""
    return {task: TASKS.get(task).card for task in sorted({record.task for record in records}) if task in TASKS}


def standings_of(records: Sequence[ResultRecord], store: ResultStore, cards: dict[str, Card]) -> dict[str, Standing]:
    """Rank span and tie letters on the headline metric of each task, by result id.

    A subject with several eval_seeds is ranked once, over all of them. Results whose task has no card here, and
    subjects that could not be tested, have no standing.
    """
    standings: dict[str, Standing] = {}
    for task, card in cards.items():
        headline = headline_of(card)
        own = [record for record in records if record.task == task]
        if headline is None or not own:
            continue
        ids = {
            (scope.key, entrant.name): [record.id for record in entrant.records]
            for scope, entrants in scopes_of(own).items()
            for entrant in entrants
        }
        for comparison in compare_records(own, store, cards.__getitem__, metrics=[headline]):
            for row in comparison.rows:
                if row.rank is not None:
                    standing = Standing(" ".join(row.letters), *row.rank)
                    standings |= dict.fromkeys(ids[comparison.scope.key, row.subject], standing)
    return standings
