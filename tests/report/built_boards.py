"""Boards of made-up results, with and without per-item scores behind them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from leaderboard_records import CARD, TASK, panel

from saebench.report.boards import boards_of
from saebench.report.card_page import card_pages_of
from saebench.report.index_page import index_page
from saebench.report.view import Board, Group, Row
from saebench.results.audits import AuditRecord
from saebench.results.schema import ResultRecord


class NoItems:
    """A store that holds no per-item scores: nothing can be tested."""

    def items(self, record: ResultRecord):
        return {}


def boards(
    records: Sequence[ResultRecord] | None = None,
    *,
    store=None,
    audits: dict[str, AuditRecord] | None = None,
    cards=None,
) -> list[Board]:
    return boards_of(
        panel() if records is None else records,
        store or NoItems(),
        cards={TASK: CARD} if cards is None else cards,
        audits=audits or {},
        versions={},
    )


def index(records: Sequence[ResultRecord] | None = None, title: str = "Board", **more) -> str:
    records = panel() if records is None else records
    return index_page(boards(records, **more), records, title, card_pages_of(sorted({one.task for one in records})))


def row_called(board: Board, name: str) -> Row:
    return next(row for row in board.rows if row.name == name)


def value_of(board: Board, group: Group, name: str, metric: str):
    at = [column.metric.name for column in group.columns].index(metric)
    return group.entries[row_called(board, name).fingerprint].values[at]


def audit_of_page(site: str) -> AuditRecord:
    """An audit of two metrics; every cell of the second is empty with a reason."""
    known = {"value": 0.004, "low": 0.003, "high": 0.006, "n": 20}
    unknown = {"value": None, "undefined": "<b>not measured</b>"}
    lenses = ("reseed_sd", "cv", "smallest_reliable", "smallest_reliable_paired", "snr", "separated", "trend",
              "validity_f1", "validity_mcc")  # fmt: skip
    shared = {"reasons": ["signal to noise 0.40"], "order": []}
    return AuditRecord.model_validate(
        {
            "task": TASK,
            "metrics_fingerprint": CARD.fingerprint(),
            "settings": {
                "suite": "audit-v1", "lm": "toy", "site": site, "params": {}, "eval_seeds": [0, 1, 2, 3, 4],
                "subjects": ["a"], "world": "synthetic:tiny", "sweep": [], "budget": "", "saebench": "0.1.0",
                "finished": "2026-01-01T00:00:00+00:00",
            },
            "metrics": [
                {"metric": "loss_recovered", "verdict": "weak", **shared, **dict.fromkeys(lenses, known)},
                {"metric": "fvu", "verdict": "unfit", **shared, **dict.fromkeys(lenses, unknown)},
            ],
        }
    )  # fmt: skip


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
