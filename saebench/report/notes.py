"""The lines below a table: what its marks mean, what it must not be read as, and why something is undefined."""

from __future__ import annotations

from collections.abc import Sequence

from saebench.report.numbers import label
from saebench.report.table import ACROSS, FRONTIER, Table, band_title, crosses
from saebench.results.sparsity import BAND_RULE
from saebench.results.standings import Comparison, Pool


def notes_of(table: Table) -> list[str]:
    """What to know beside the cells, the most important first; reasons once, with what they hold for."""
    return [
        *marks_of(table),
        *_foot(table),
        *table.notes,
        *_self_reported(table),
        *_pools(table.columns[0].pools),
        *sorted({f"Not for ranking: {column.unfit}" for column in table.columns if column.unfit}),
        *_doubts(table.columns),
        *_reasons(table.columns),
    ]


def marks_of(table: Table) -> list[str]:
    """What the marks of the cells mean, and which of them reach across unlike sparsity."""
    return [_legend(table), *_bands(table)]


def _legend(table: Table) -> str:
    cells = [cell for column in table.cells() for cell in column.values()]
    parts = ["Brackets: 95 % intervals."]
    if any(cell.letters for cell in cells):
        parts.append("Subjects that share a letter do not differ significantly (5 %, Holm over all pairs).")
    if any(cell.rank for cell in cells):
        within = " within the band of L0" if len(table.sections) > 1 else ""
        parts.append(f"#: the ranks{within} that the data leave open.")
    if any(FRONTIER in cell.value for cell in cells):
        parts.append(f"{FRONTIER}: on the Pareto curve, as nobody of no larger L0 is significantly better.")
    return " ".join(parts)


def _bands(table: Table) -> list[str]:
    bases = [next((row for row in column.rows if row.subject == column.base), None) for column in table.columns]
    across = [
        row.difference is not None and base is not None and crosses(row, base)
        for column, base in zip(table.columns, bases, strict=True)
        for row in column.rows
    ]
    lines = []
    if len(table.sections) > 1:
        lines.append(f"{BAND_RULE}. Letters reach across bands, that is across unlike sparsity; ranks do not.")
    if any(across):
        lines.append(f"{ACROSS}: the base is of another band, so that the difference is also one of sparsity.")
    if table.sections[0].band is None and not table.columns[0].pools:
        lines.append("No result says how sparse these subjects are: they may be of unlike L0.")
    return lines


def _foot(table: Table) -> list[str]:
    meanings = {
        "data can see": "smallest difference that a single test finds in four of five trials (median over pairs)",
        "reliable from": "smallest difference of two scores that seeds do not explain, by the audit",
    }
    found = [f"{head}: {meanings[head]}" for head, _ in table.foot if head in meanings]
    return [f"{'; '.join(found)}."] if found else []


def _self_reported(table: Table) -> list[str]:
    names = [row.subject for row in table.columns[0].rows if row.self_reported]
    return [f"Self-reported by a submission, not reproduced here: {', '.join(names)}."] if names else []


def _pools(pools: Sequence[Pool]) -> list[str]:
    if not pools:
        return []
    lines = [
        "Rows are architectures: means over bands of L0 of the mean over subjects. Intervals answer for items and "
        "trainings; two architectures are compared over the bands that both have. Controls are left out."
    ]
    if len({tuple(pool.by_band) for pool in pools}) > 1:
        lines.append("Their bands differ: values reach across unlike sparsity; differences, letters and ranks do not.")
    for pool in pools:
        members = "; ".join(f"{band_title(band)}: {some(own)}" for band, own in pool.by_band.items())
        count = sum(len(own) for own in pool.by_band.values())
        lines.append(f"{pool.name}: {count} {'subject' if count == 1 else 'subjects'} ({members})")
    return lines


def _doubts(columns: Sequence[Comparison]) -> list[str]:
    """Why a column is not audited as sound."""
    return [
        f"{label(one.metric)} is audited as {one.reliability.verdict}: {'; '.join(one.reliability.reasons)}"
        for one in columns
        if one.reliability and one.reliability.verdict != "sound" and one.reliability.reasons and not one.unfit
    ]


def _reasons(columns: Sequence[Comparison]) -> list[str]:
    """Why values and differences are undefined."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for column in columns:
        for row in column.rows:
            for reason in {row.estimate.undefined, row.difference.undefined if row.difference else None} - {None}:
                reasons.setdefault(str(reason), {}).setdefault(label(column.metric), []).append(row.subject)
    return [
        f"{reason}: " + "; ".join(f"{metric} of {some(subjects)}" for metric, subjects in places.items())
        for reason, places in sorted(reasons.items())
    ]


def some(names: Sequence[str], most: int = 3) -> str:
    """The first names of a list, and how many more there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
