"""What nightly's history says of the subjects of the leaderboard: a trend for each metric that is watched.

A trend belongs to the subject that was scored on one of its nights: the same weights and settings, at the same site of
the same model. Another subject that stood under its name on some nights is part of the trend, and those nights say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from saebench.errors import ResultsError
from saebench.nightly.history import FILE, NightLine, Point, read_history
from saebench.report.nightly_page import SHOWN, title_of, value_of
from saebench.report.numbers import decimals
from saebench.report.trends import Night, Trend
from saebench.report.view import Board, Row

Place = tuple[str, str | None, str | None]
"""Fingerprint of a subject, hash of the language model's weights, site."""
Series = Sequence[tuple[NightLine, Point]]
"""Comparable nights, oldest first."""


OTHERS = "other weights or settings under this name"


@dataclass(frozen=True)
class Watched:
    """One metric of a subject over the nights."""

    task: str
    """With the parameters that tell it from others."""
    trend: Trend
    places: int
    """Decimals of its values."""


def watched_of(boards: Sequence[Board], folders: Sequence[Path]) -> dict[str, list[Watched]]:
    """What the nights watched of each subject, by the name of its page; subjects that they do not know are left out.

    Args:
        boards: the subjects.
        folders: those that hold a history are read.

    Raises:
        ResultsError: a history is damaged, or knows none of the subjects.
    """
    nights = read_nights(folders)
    series = [(one, {place_of(point) for _, point in one}) for one in series_of(nights)]
    found: dict[str, list[Watched]] = {}
    for board in boards:
        for row in board.rows:
            places = places_of(board, row)
            if own := [one for one, theirs in series if not places.isdisjoint(theirs)]:
                found[row.page] = _newest(own, places)
    if nights and not found:
        raise ResultsError(
            "none of the subjects that its nights watched has a result here",
            file=next(folder / FILE for folder in folders if (folder / FILE).is_file()),
            remedy="name results of them too, as the folder 'results' of its newest night",
        )
    return found


def read_nights(folders: Sequence[Path]) -> list[NightLine]:
    """The nights of every folder that holds a history, in the order of their start, each once.

    Raises:
        ResultsError: a history is damaged.
    """
    nights = {night.model_dump_json(): night for folder in folders for night in read_history(folder)}
    return [night for _, night in sorted(nights.items(), key=lambda item: (item[1].night, item[0]))]


def series_of(nights: Sequence[NightLine]) -> list[Series]:
    """The scores of the nights by what may be compared, in the order in which the series began."""
    found: dict[str, list[tuple[NightLine, Point]]] = {}
    for night in nights:
        for point in night.points:
            if point.kind == "score":
                found.setdefault(point.series, []).append((night, point))
    return list(found.values())


def place_of(point: Point) -> Place:
    """What was scored, and where."""
    return point.fingerprint, point.lm, point.site


def places_of(board: Board, row: Row) -> set[Place]:
    """The same for everything that a row was scored on."""
    return {(row.fingerprint, record.identity.lm, record.site) for record in board.records(row)}


def _newest(series: Sequence[Series], places: set[Place]) -> list[Watched]:
    """The series of each metric that ended last, by task: where a parameter or the data changed, another one began."""
    newest: dict[tuple[str, str], Series] = {}
    for one in series:
        key = title_of(one[-1][1]), one[-1][1].metric
        newest[key] = max(newest.get(key, one), one, key=lambda either: either[-1][0].night)
    return [_watched(one[-SHOWN:], places) for _, one in sorted(newest.items(), key=lambda item: item[0][0])]


def _watched(series: Series, places: set[Place]) -> Watched:
    last = series[-1][1]
    nights = tuple(
        Night(night.night, str(night.code), value_of(point), "" if place_of(point) in places else OTHERS)
        for night, point in series
    )
    return Watched(title_of(last), Trend(last.metric, nights), decimals([night.value for night in nights]))
