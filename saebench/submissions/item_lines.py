"""Per-item scores as JSON lines: `items/ID.jsonl` of a bundle.

The first line names the tables and their columns, every other line is an item::

    {"tables": {"documents": ["ce_clean", "tokens"]}}
    {"table": "documents", "item": "3f2a", "cluster": "3f2a", "scores": [41.25, 126.0]}

Items that are pairs have a "partner" beside their cluster. A score that is not finite is null.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from saebench.results.items import LABELS, PARTNER, ItemTable
from saebench.submissions import limits
from saebench.submissions.layout import too_large
from saebench.submissions.refusing import refusal, shown
from saebench.submissions.strict_json import UNWANTED, decode, measure

FIELDS = {*LABELS, "scores"}


def to_lines(tables: Mapping[str, ItemTable]) -> bytes:
    """The file of some tables. Scores too small to matter become 0."""
    lines: list[dict[str, Any]] = [{"tables": {name: sorted(table.columns) for name, table in sorted(tables.items())}}]
    for name, table in sorted(tables.items()):
        scores = np.column_stack(
            [np.zeros((len(table.items), 0)), *(table.columns[key] for key in sorted(table.columns))]
        )
        for row, (item, cluster) in enumerate(zip(table.items, table.clusters, strict=True)):
            line: dict[str, Any] = {"table": name, "item": item, "cluster": cluster}
            if table.partners:
                line[PARTNER] = table.partners[row]
            lines.append({**line, "scores": [_plain(float(score)) for score in scores[row]]})
    return "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines).encode()


def _plain(score: float) -> float | None:
    if not math.isfinite(score):
        return None
    return score if abs(score) >= limits.SMALLEST else 0.0


def from_lines(data: bytes, file: str) -> dict[str, ItemTable]:
    """The tables of a file.

    Raises:
        SubmissionError: it exceeds a limit, or is not as described above; names the line.
    """
    lines = data.removesuffix(b"\n").split(b"\n")
    if len(lines) > limits.ROWS + 1:
        raise refusal(f"more than {limits.ROWS:,} items", file)
    if max(map(len, lines)) > limits.LINE_BYTES:
        raise refusal(too_large("a line", limits.LINE_BYTES), file)
    measure(data, file, limits.LINE_DEPTH)
    columns = _header(decode(lines[0], file), file)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in columns}
    for number, line in enumerate(lines[1:], start=2):
        row = decode(line, f"{file}: line {number}")
        _check_row(row, columns, f"{file}: line {number}")
        rows[row["table"]].append(row)
    return {name: _table(rows[name], columns[name], file, name) for name in columns}


def _header(value: Any, file: str) -> dict[str, list[str]]:
    tables = value.get("tables") if isinstance(value, dict) and set(value) == {"tables"} else None
    if not isinstance(tables, dict) or len(tables) > limits.TABLES:
        raise refusal("the first line must name tables and their columns", file, "tables")
    for name, held in tables.items():
        names = held if isinstance(held, list) else []
        if not isinstance(held, list) or not all(isinstance(one, str) for one in names):
            raise refusal("a table has a list of column names", file, f"tables.{name}")
        if len(names) > limits.COLUMNS or len(set(names)) < len(names):
            raise refusal(f"columns are unlike each other, and at most {limits.COLUMNS:,}", file, f"tables.{name}")
        if {*names} & {*LABELS, PARTNER} or any(not _is_name(one) for one in (name, *names)):
            raise refusal("a table or column cannot be called so", file, f"tables.{name}")
    return tables


def _check_row(row: Any, columns: Mapping[str, list[str]], where: str) -> None:
    if not isinstance(row, dict) or not FIELDS <= set(row) <= {*FIELDS, PARTNER}:
        raise refusal(f"an item has the fields {', '.join(sorted(FIELDS))}", where)
    for label in (*LABELS, PARTNER):
        if label in row and not (isinstance(row[label], str) and _is_name(row[label])):
            raise refusal(f"must be a plain text of at most {limits.ITEM} characters", where, label)
    if row["table"] not in columns:
        raise refusal(f"'{shown(row['table'])}' is not among the tables of the first line", where, "table")
    scores = row["scores"]
    if not isinstance(scores, list) or len(scores) != len(columns[row["table"]]):
        raise refusal(f"must be a list of {len(columns[row['table']])} scores", where, "scores")
    for score in scores:
        if score is not None and (isinstance(score, bool) or not isinstance(score, int | float) or not _sound(score)):
            raise refusal(
                f"a score is null, 0, or a number from {limits.SMALLEST:.0e} to {limits.LARGEST:.0e}", where, "scores"
            )


def _sound(score: float) -> bool:
    return score == 0 or limits.SMALLEST <= abs(score) <= limits.LARGEST


def _is_name(text: str) -> bool:
    return 0 < len(text) <= limits.ITEM and not UNWANTED.search(text)


def _table(rows: list[dict[str, Any]], columns: list[str], file: str, name: str) -> ItemTable:
    partners = tuple(row[PARTNER] for row in rows if PARTNER in row)
    clusters = tuple(row["cluster"] for row in rows)
    if len(partners) not in {0, len(rows)}:
        raise refusal("either all items of a table have a partner or none has", file, f"{name}.{PARTNER}")
    if partners and len({*partners, *clusters}) > limits.SEEDS:
        raise refusal(f"pairs of more than {limits.SEEDS} clusters", file, f"{name}.cluster")
    count: dict[str, int] = defaultdict(int)
    for row in rows:
        count[row["item"]] += 1
    if twice := next((item for item, times in count.items() if times > 1), None):
        raise refusal(f"the item '{shown(twice)}' is there twice", file, f"{name}.item")
    scores = np.array([row["scores"] for row in rows], dtype=np.float64).reshape(len(rows), len(columns))
    values = {column: scores[:, place].copy() for place, column in enumerate(columns)}
    return ItemTable(tuple(row["item"] for row in rows), clusters, values, partners)
