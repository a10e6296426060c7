"""The page of a subject: where it stands in each task, what lies behind its numbers, and where they come from.

It needs no script.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Template

from saebench.report.author_card import answers
from saebench.report.breakdown import QUANTILES, Breakdown
from saebench.report.contrasts import Contrast
from saebench.report.groups import better
from saebench.report.nights import Watched
from saebench.report.numbers import decimals
from saebench.report.sheet import result_facts, subject_facts
from saebench.report.site import policy, templates
from saebench.report.trends import HEIGHT, WIDTH, picture
from saebench.report.view import Board, Column, Entry, Group, Row
from saebench.results.schema import ResultRecord
from saebench.results.sparsity import band_edges
from saebench.stats import Estimate
from saebench.submissions.card import SubmissionCard
from saebench.tasks.contract import Metric


@dataclass(frozen=True)
class Neighbour:
    """A line of a subject's neighbourhood in one group."""

    row: Row
    entry: Entry
    contrast: Contrast | None
    """None for the subject itself."""


def subject_page(
    board: Board,
    row: Row,
    title: str,
    card_pages: Mapping[str, str],
    *,
    watched: Sequence[Watched] = (),
    author_cards: Sequence[SubmissionCard] = (),
) -> str:
    """The text of the page.

    Args:
        board: where the subject stands.
        row: the subject.
        title: heading of the index.
        card_pages: address of a task's card from the index, by task name.
        watched: its metrics over the nights, by task.
        author_cards: of the submissions that are about it.
    """
    rows = {one.fingerprint: one for one in board.rows}
    own = [(group, group.entries[row.fingerprint]) for group in board.groups if row.fingerprint in group.entries]
    shown = [(group, entry, neighbours(group, entry, row, rows)) for group, entry in own]
    records = board.records(row)
    reasons = _reasons([one for _, entry, lines in shown for one in (entry, *(line.entry for line in lines))])
    return _template().render(
        title=title,
        board=board,
        row=row,
        edges=None if not row.band else band_edges(row.band),
        facts=subject_facts(records[0].subject),
        sent=Counter(record.submission.status for record in records if record.submission),
        results=len(records),
        shown=shown,
        siblings=siblings(board, row),
        watched=watched,
        author_cards=author_cards,
        card_pages=card_pages,
        notes=reasons,
        note_numbers={reason: number for number, reason in enumerate(reasons, 1)},
        quantile_names=[f"{100 * q:g} %" for q in QUANTILES],
        picture_size=(WIDTH, HEIGHT),
        policy=policy(),
    )


@cache
def _template() -> Template:
    environment = templates().overlay()
    own = {
        "result_facts": result_facts,
        "answers": answers,
        "picture": picture,
        "digits": digits_of,
        "places": decimals,
    }
    environment.filters = environment.filters | own
    environment.globals = environment.globals | {"tied": tied, "all_metrics": all_metrics, "by_seed": by_seed}
    return environment.get_template("subject.html.j2")


def neighbours(group: Group, entry: Entry, row: Row, rows: Mapping[str, Row]) -> list[Neighbour]:
    """The subject among those it was compared with, best first; empty where nothing was compared."""
    if group.headline is None or not entry.contrasts:
        return []
    metric, at = group.columns[group.headline].metric, group.headline
    lines = [Neighbour(row, entry, None)]
    lines += [Neighbour(rows[one.other], group.entries[one.other], one) for one in entry.contrasts]
    return sorted(lines, key=lambda line: (better(line.entry.values[at].value or 0.0, metric.direction), line.row.name))


def tied(group: Group, entry: Entry) -> int | None:
    """Other subjects that share a tie letter with this one; None where nothing was tested."""
    if entry.standing is None or not entry.standing.letters:
        return None
    letters = set(entry.standing.letters)
    others = (one.standing for one in group.entries.values() if one is not entry)
    return sum(1 for standing in others if standing and letters & set(standing.letters))


def siblings(board: Board, row: Row) -> list[Row]:
    """Subjects that were made alike with another training seed."""
    if row.seed is None:
        return []
    return [one for one in board.rows if one.recipe == row.recipe and one.seed not in (None, row.seed)]


def digits_of(part: Breakdown) -> list[int]:
    """Decimals of each metric of a breakdown."""
    shown = [[*(one.values[at] for one in part.parts), *part.quantiles[at]] for at in range(len(part.metrics))]
    return [decimals([Estimate(value, None, None, 0) for value in column]) for column in shown]


def _reasons(entries: list[Entry]) -> list[str]:
    """Why numbers of the page are undefined, each reason once, in the order of the page."""
    found: dict[str, None] = {}
    for entry in entries:
        values = [*entry.values, *(value for _, value in entry.others)]
        found |= dict.fromkeys(value.undefined for value in values if value.undefined)
    return list(found)


def all_metrics(group: Group, entry: Entry) -> list[tuple[str, list[tuple[Metric, Estimate, int]]]]:
    """(caption, lines of metric, value and decimals): the card's own metrics first, then legacy ones."""
    lines = [(column.metric, value, column.decimals) for column, value in zip(group.columns, entry.values, strict=True)]
    lines += [(metric, value, decimals([value])) for metric, value in entry.others]
    captions = {"main": "Every metric", "legacy": "As another package publishes them (legacy), never ranked"}
    parts = [(caption, [line for line in lines if line[0].group == group_]) for group_, caption in captions.items()]
    return [(caption, found) for caption, found in parts if found]


def by_seed(entry: Entry, columns: tuple[Column, ...]) -> list[tuple[ResultRecord, list[float | None]]]:
    """The columns' values for each eval_seed, where there are several."""
    if len(entry.records) < 2:
        return []
    found = []
    for record in entry.records:
        held = [record.metrics.get(column.metric.name) for column in columns]
        found.append((record, [None if one is None else one.value for one in held]))
    return found
