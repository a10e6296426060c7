"""The table of an aggregate: one column for the mean and, expanded, one for each part on the common scale."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from saebench.report.notes import some
from saebench.report.numbers import label
from saebench.report.table import Table
from saebench.results.aggregates import Aggregate, LeftOut, Part
from saebench.results.scopes import Scope
from saebench.results.standings import Comparison


def aggregate_table(aggregate: Aggregate, *, expand: bool) -> Table:
    """One row a subject; with `expand` the parts stand beside their mean. The notes name them in any case."""
    columns = [aggregate.comparison]
    if expand:
        columns += [_part(aggregate.comparison, part) for part in aggregate.parts]
    return Table(aggregate.comparison.scope, tuple(columns), notes=notes_of_aggregate(aggregate))


UNTESTED: dict[str, Any] = {
    "difference": None, "p_adjusted": None, "rank": None, "letters": (), "band_rank": None, "frontier": None,
}  # fmt: skip


def _part(whole: Comparison, part: Part) -> Comparison:
    """A part as a column: values and intervals on the common scale, nothing tested."""
    rows = tuple(replace(row, estimate=part.scores[row.subject].estimate, **UNTESTED) for row in whole.rows)
    name = f"{_place(part.scope)} {part.metric}"
    return Comparison(whole.scope, name, "up", whole.base, whole.paired, None, 0, None, rows)


def notes_of_aggregate(aggregate: Aggregate) -> tuple[str, ...]:
    """What an aggregate is made of, and what was left out."""
    scores = [score for part in aggregate.parts for score in part.scores.values()]
    bottoms = sorted({score.bottom for score in scores if score.bottom})
    tops = sorted({score.top for score in scores if score.top})
    lines = []
    if aggregate.parts:
        made = "; ".join(
            f"{_place(part.scope)} by {label(part.metric)}, weight {part.weight:.3g}" for part in aggregate.parts
        )
        scale = f"0 is {some(bottoms) or 'missing'}, 1 is {some(tops) or 'missing'}"
        lines.append(f"Aggregate: mean over tasks on a common scale ({scale}). Parts: {made}.")
    return (*lines, *(_left_out(one) for one in aggregate.left_out))


def _left_out(one: LeftOut) -> str:
    metric = f" ({label(one.metric)})" if one.metric else ""
    return f"Left out: {_place(one.scope)}{metric}: {one.reason}."


def _place(scope: Scope) -> str:
    return f"{scope.task} ({scope.setting})" if scope.setting else scope.task
