"""From results to the leaderboard: an index, a page for each subject and each protocol, and the numbers as files.

The same results give the same bytes: no build time, the date of the newest result instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from saebench.progress import Progress
from saebench.report.author_card import author_cards
from saebench.report.boards import boards_of
from saebench.report.card_page import card_page, card_pages_of
from saebench.report.index_page import index_page
from saebench.report.nights import Watched, watched_of
from saebench.report.number_files import numbers_csv, numbers_json
from saebench.report.subject_page import subject_page
from saebench.report.view import Board
from saebench.results.aggregates import aggregate_records
from saebench.results.atomic import storage_errors
from saebench.results.audits import FOLDER, AuditRecord, audit_of
from saebench.results.folders import ResultFolders
from saebench.results.schema import ResultRecord
from saebench.submissions.card import SubmissionCard
from saebench.tasks import TASKS
from saebench.tasks.contract import Card

GENERATOR = '<meta name="generator" content="saebench">'
TITLE = "Sparse autoencoder leaderboard"


def build_leaderboard(results: Sequence[Path], out: Path, title: str = TITLE, progress: Progress | None = None) -> Path:
    """Write the leaderboard of every result below some folders into `out`; returns the path of its index.

    Of a unit that several folders hold, the newest result counts; the others are its history.

    Args:
        results: results folders, accepted submissions among them; of a folder of nights, its history is read.
        out: folder, made where it is missing. Pages of subjects that are no more are removed from it.
        title: heading of the index.
        progress: told of nights that are left out.

    Raises:
        ResultsError: a folder is not there, or a result, a history or an author's card is damaged or of a newer
            schema, or a history watched none of the subjects.
        StorageError: the pages cannot be written.
    """
    folders = ResultFolders(results)
    versions = folders.versions()
    records = [runs[-1] for runs in versions.values()]
    cards = cards_of(records)
    audits = audits_of(cards, results)
    aggregates = aggregate_records([one for one in records if one.task in cards], folders, cards.__getitem__)
    boards = boards_of(records, folders, cards=cards, audits=audits, versions=versions, aggregates=aggregates)
    said, watched = author_cards(boards, results), watched_of(boards, results, progress)
    return write_site(boards, records, out, title, cards=cards, audits=audits, said=said, watched=watched)


def write_site(
    boards: Sequence[Board],
    records: Sequence[ResultRecord],
    out: Path,
    title: str,
    *,
    cards: Mapping[str, Card],
    audits: Mapping[str, AuditRecord],
    said: Mapping[str, Sequence[SubmissionCard]] = MappingProxyType({}),
    watched: Mapping[str, Sequence[Watched]] = MappingProxyType({}),
) -> Path:
    """Write all pages of some boards, with what authors said and nights watched by page; returns the index's path."""
    tasks = sorted({record.task for record in records})
    pages = card_pages_of(tasks)
    files = {"index.html": index_page(boards, records, title, pages)}
    files |= {pages[task]: card_page(task, cards.get(task), audits.get(task), title) for task in tasks}
    files |= {
        f"subjects/{row.page}.html": subject_page(
            board, row, title, pages, watched=watched.get(row.page, ()), author_cards=said.get(row.page, ())
        )
        for board in boards
        for row in board.rows
    }
    if boards:
        files |= {"leaderboard.csv": numbers_csv(boards), "leaderboard.json": numbers_json(boards)}
    for name, text in files.items():
        with storage_errors(out / name):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(text.encode())
    for folder in ("subjects", "cards"):
        for left in (out / folder).glob("*.html"):
            if f"{folder}/{left.name}" not in files and GENERATOR in left.read_text("utf-8", errors="replace"):
                left.unlink()
    return out / "index.html"


def cards_of(records: Sequence[ResultRecord]) -> dict[str, Card]:
    """Cards of the tasks that occur, by task name; tasks that are not installed here have none."""
    return {task: TASKS.get(task).card for task in sorted({record.task for record in records}) if task in TASKS}


def audits_of(cards: Mapping[str, Card], results: Sequence[Path]) -> dict[str, AuditRecord]:
    """The audit of each task that has one: of the first results folder that holds one, else the packaged one."""
    found = {}
    for task, card in cards.items():
        holders = [folder for folder in results if (folder / FOLDER / f"{task}.json").is_file()]
        audit = audit_of(card, holders[0] if holders else None)
        if audit is not None:
            found[task] = audit
    return found
