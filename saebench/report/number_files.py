"""Every number of the leaderboard at full precision, one line each: for spreadsheets and programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from saebench.report.view import Board

FIELDS = (
    "model", "site", "suite", "task", "setting", "subject", "fingerprint", "role", "architecture", "latents",
    "train_seed", "l0", "band", "status", "metric", "value", "low", "high", "n", "undefined", "rank_best", "rank_worst",
    "tie_group",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that a spreadsheet would run."""


def numbers_csv(boards: Sequence[Board]) -> str:
    """Comma-separated values with a header (RFC 4180); a text that a spreadsheet would run gets an apostrophe."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, FIELDS)
    writer.writeheader()
    for line in _lines(boards):
        writer.writerow({name: _harmless(value) for name, value in line.items()})
    return buffer.getvalue()


def numbers_json(boards: Sequence[Board]) -> str:
    """A list of objects with the same fields."""
    return json.dumps(list(_lines(boards)), allow_nan=False, ensure_ascii=False, indent=0) + "\n"


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _lines(boards: Sequence[Board]) -> Iterator[dict[str, Any]]:
    for board in boards:
        for group in board.groups:
            for row in board.rows:
                entry = group.entries.get(row.fingerprint)
                if entry is None:
                    continue
                shared = {
                    "model": board.model,
                    "site": board.site,
                    "suite": group.suite,
                    "task": group.task,
                    "setting": group.setting,
                    "subject": row.name,
                    "fingerprint": row.fingerprint,
                    "role": row.kind,
                    "architecture": row.architecture,
                    "latents": row.latents,
                    "train_seed": row.seed,
                    "l0": None if row.l0 is None else row.l0.value,
                    "band": row.band,
                    "status": row.status or "scored here",
                }
                for at, column in enumerate(group.columns):
                    value = entry.values[at]
                    standing = entry.standing if at == group.headline else None
                    rank = (standing.rank if standing else None) or (None, None)
                    yield {
                        **shared,
                        "metric": column.metric.name,
                        "value": value.value,
                        "low": value.low,
                        "high": value.high,
                        "n": value.n,
                        "undefined": value.undefined,
                        "rank_best": rank[0],
                        "rank_worst": rank[1],
                        "tie_group": " ".join(standing.letters) if standing else "",
                    }
