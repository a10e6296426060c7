"""An aggregate as a group of columns: the mean first, then its parts on the common scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from saebench.report.aggregate_table import notes_of_aggregate
from saebench.report.numbers import decimals
from saebench.report.scales import scale_of
from saebench.report.view import Column, Entry, Group
from saebench.results.aggregates import NAME, Aggregate, Part
from saebench.stats import Estimate
from saebench.tasks.contract import Metric

ABOUT = (
    "One number over the tasks whose audit passed: the mean of (value - random control) / (oracle or raw-activation "
    "control - random control) by the metric that each task is ranked by."
)


def worth_showing(aggregate: Aggregate) -> bool:
    """Whether it is a mean of several tasks and says something about more than one subject."""
    known = [row for row in aggregate.comparison.rows if row.estimate.value is not None]
    return len({part.scope.task for part in aggregate.parts}) > 1 and len(known) > 1


def aggregate_group(aggregate: Aggregate, fingerprints: Mapping[str, str], trained: Mapping[str, bool]) -> Group:
    """The group of an aggregate.

    Args:
        aggregate: with at least one part.
        fingerprints: of its subjects, by name.
        trained: whether a subject was trained, by name: digits and scale are those of the trained ones.
    """
    rows = {row.subject: row for row in aggregate.comparison.rows}
    names = list(rows)
    mean = _column(NAME, "Aggregate", ABOUT, [rows[name].estimate for name in names], names, trained)
    parts = [
        _column(
            _part_name(part),
            part.scope.task,
            f"{part.metric} on the common scale, weight {part.weight:.3g}",
            [part.scores[name].estimate for name in names],
            names,
            trained,
        )
        for part in aggregate.parts
    ]
    return Group(
        id=NAME,
        suite=aggregate.comparison.scope.suite,
        task=NAME,
        setting="",
        card=None,
        audit=None,
        about=ABOUT,
        facts=tuple(("Made of", line) for line in notes_of_aggregate(aggregate)),
        columns=(mean, *parts),
        headline=0,
        entries={
            fingerprints[name]: Entry(
                records=(),
                values=(row.estimate, *(part.scores[name].estimate for part in aggregate.parts)),
                standing=row,
            )
            for name, row in rows.items()
        },
        base=None,
    )


def _part_name(part: Part) -> str:
    return " ".join(word for word in (part.scope.suite, part.scope.task, part.scope.setting) if word)


def _column(
    name: str,
    label: str,
    definition: str,
    values: Sequence[Estimate],
    names: Sequence[str],
    trained: Mapping[str, bool],
) -> Column:
    chosen = [value for value, one in zip(values, names, strict=True) if trained[one]] or values
    metric = Metric(name, definition, {}, {}, table="", direction="up")
    return Column(metric, label, decimals(chosen), scale_of(chosen, logarithmic=False), trust="")
