"""All numbers of comparisons at full precision: CSV with one line a subject, JSON, and a pandas frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from saebench.report.table import Table, crosses
from saebench.results.aggregates import Aggregate
from saebench.results.sparsity import SPARSITY, Band, band_edges
from saebench.results.standings import Comparison, Row

if TYPE_CHECKING:
    import pandas as pd

VALUE_FIELDS = ("value", "low", "high", "n", "undefined")
DIFFERENCE_FIELDS = ("value", "low", "high", "p", "detectable", "undefined")
SCOPE_FIELDS = ("suite", "task", "setting", "lm", "site")


def csv_text(tables: Sequence[Table]) -> str:
    """One line a subject; tables of several scopes follow each other in the same columns."""
    found = [line for table in tables for line in _csv_lines(table)]
    names = list(dict.fromkeys(name for line in found for name in line))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return stream.getvalue()


def _csv_lines(table: Table) -> list[dict[str, Any]]:
    by_subject = table.rows()
    found = []
    for subject in table.subjects:
        first = by_subject[0][subject]
        line = {**_place(table.comparisons[0]), "subject": subject, **_traits(first)}
        for column, rows in zip(table.comparisons, by_subject, strict=True):
            line |= {_name(column.metric, field): value for field, value in _numbers(column, rows[subject]).items()}
        found.append({**line, "base": table.base} if table.base else line)
    return found


def _name(metric: str, field: str) -> str:
    return metric if field == "value" else f"{metric}_{field}"


def frame(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """One row a subject and metric; what is undefined is missing, with the reason in `undefined`."""
    import pandas as pd

    rows = [
        {
            **_place(one),
            "metric": one.metric,
            "direction": one.direction,
            "subject": row.subject,
            **_traits(row),
            **_numbers(one, row),
            "base": one.base,
            "verdict": one.reliability.verdict if one.reliability else None,
        }
        for one in comparisons
        for row in one.rows
    ]
    return pd.DataFrame(rows)


def _place(comparison: Comparison) -> dict[str, Any]:
    return {name: getattr(comparison.scope, name) for name in SCOPE_FIELDS}


def _traits(row: Row) -> dict[str, Any]:
    return {"control": row.control, "self_reported": row.self_reported, SPARSITY: row.l0, "band": row.band}


def _numbers(comparison: Comparison, row: Row) -> dict[str, Any]:
    """All numbers of one subject on one metric, by name."""
    (best, worst), (first, last) = row.rank or (None, None), row.band_rank or (None, None)
    numbers = {
        **{name: getattr(row.estimate, name) for name in VALUE_FIELDS},
        "rank_best": best,
        "rank_worst": worst,
        "band_rank_best": first,
        "band_rank_worst": last,
        "letters": " ".join(row.letters),
        "frontier": row.frontier,
    }
    if comparison.base is not None:
        difference = row.difference
        numbers |= {_name("difference", name): getattr(difference, name, None) for name in DIFFERENCE_FIELDS}
        numbers |= {"p_adjusted": row.p_adjusted, "across_bands": _across(comparison, row)}
    return numbers


def _across(comparison: Comparison, row: Row) -> bool | None:
    """Whether the difference crosses bands of L0; None where there is none."""
    base = next((one for one in comparison.rows if one.subject == comparison.base), None)
    return None if base is None or row.difference is None else crosses(row, base)


def json_value(tables: Sequence[Table], aggregates: Sequence[Aggregate] = ()) -> list[dict[str, Any]]:
    """A JSON value: one object for each scope, its metrics, its bands, and one row a subject.

    Args:
        tables: of comparisons.
        aggregates: come first, as scopes of a task called "aggregate" with their parts.
    """
    return [*(_aggregate(one) for one in aggregates), *(_scope(table) for table in tables)]


def _aggregate(one: Aggregate) -> dict[str, Any]:
    shown = _scope(Table(one.comparison.scope, (one.comparison,)))
    parts = [
        {
            **asdict(part.scope),
            "metric": part.metric,
            "weight": part.weight,
            "scores": {
                subject: {**asdict(score.estimate), "bottom": score.bottom, "top": score.top}
                for subject, score in part.scores.items()
            },
        }
        for part in one.parts
    ]
    left_out = [{**asdict(left.scope), "metric": left.metric, "reason": left.reason} for left in one.left_out]
    return {**shown, "kind": one.kind, "parts": parts, "left_out": left_out}


def _scope(table: Table) -> dict[str, Any]:
    first = table.comparisons[0]
    return {
        **asdict(table.scope),
        "base": table.base,
        "metrics": [
            {
                "name": column.metric,
                "direction": column.direction,
                "paired": column.paired,
                "shared": column.shared,
                "tests": column.tests,
                "detectable": column.detectable,
                "unfit": column.unfit or None,
                "reliability": column.reliability and column.reliability.model_dump(mode="json"),
            }
            for column in table.comparisons
        ],
        "bands": [_band(section.band, section.subjects) for section in table.sections],
        "pools": [
            {
                "architecture": pool.name,
                "bands": [_band(band, members) for band, members in pool.by_band.items()],
            }
            for pool in first.pools
        ],
        "rows": [
            {
                "subject": subject,
                **_traits(by_metric[0]),
                "metrics": {
                    column.metric: _cell(row, column) for column, row in zip(table.comparisons, by_metric, strict=True)
                },
            }
            for subject, by_metric in ((one, [rows[one] for rows in table.rows()]) for one in table.subjects)
        ],
    }


def _band(band: Band, subjects: Sequence[str]) -> dict[str, Any]:
    low, high = (None, None) if band is None else band_edges(band)
    return {"band": band, "low": low, "high": high, "subjects": list(subjects)}


def _cell(row: Row, column: Comparison) -> dict[str, Any]:
    difference = row.difference and {
        **asdict(row.difference),
        "p_adjusted": row.p_adjusted,
        "across_bands": _across(column, row),
    }
    return {
        **asdict(row.estimate),
        "rank": row.rank and list(row.rank),
        "band_rank": row.band_rank and list(row.band_rank),
        "letters": list(row.letters),
        "frontier": row.frontier,
        "difference": difference,
    }
