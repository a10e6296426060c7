"""What nightly's history says of the subjects of the leaderboard: a trend for each metric that is watched.

A trend belongs to the subject that was scored on its last night: the same weights and settings, at the same site of
the same model. What stood under its name on earlier nights is part of the trend where it was another subject, or where
nobody kept which one it was, and those nights say so. What stands under its name since then is not its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from saebench.errors import ResultsError
from saebench.nightly.history import FILE, Dated, NightLine, Point, by_series, read_history
from saebench.progress import Progress, Silent
from saebench.report.nightly_page import SHOWN, title_of, value_of
from saebench.report.numbers import decimals
from saebench.report.trends import Night, Trend
from saebench.report.view import Board, Row

Place = tuple[str | None, str | None, str | None]
"""Fingerprint of a subject, hash of the language model's weights, site."""


OTHERS = "other weights or settings under this name"
NOT_RECORDED = "weights and settings not recorded"


@dataclass(frozen=True)
class Watched:
    """One metric of a subject over the nights, the last of which is its own."""

    task: str
    """With the parameters that tell it from others."""
    trend: Trend
    places: int
    """Decimals of its values."""
    older: int
    """Nights before those of the trend."""

    @property
    def foreign(self) -> list[tuple[str, int]]:
        """(note, number of nights) of the nights that are not known to be the subject's own."""
        return list(Counter(night.note for night in self.trend.nights if night.note).items())


def watched_of(
    boards: Sequence[Board], folders: Sequence[Path], progress: Progress | None = None
) -> dict[str, list[Watched]]:
    """What the nights watched of each subject, by the name of its page; subjects that they do not know are left out.

    Args:
        boards: the subjects.
        folders: those that hold a history are read.
        progress: told of a history that does not say what it watched.

    Raises:
        ResultsError: a history is damaged, or what it watched is nowhere among the subjects.
    """
    rows = {row.page: places_of(board, row) for board in boards for row in board.rows}
    here = {place for places in rows.values() for place in places}
    histories = {folder / FILE: read_history(folder) for folder in folders}
    for file, nights in histories.items():
        check_known(file, nights, here, progress or Silent())
    series = [
        (one, {place_of(point) for _, point in one})
        for one in by_series(in_order(list(histories.values()))).values()
        if one[-1][1].kind == "score"
    ]
    found = {}
    for page, places in rows.items():
        if own := [one for one, theirs in series if not places.isdisjoint(theirs)]:
            found[page] = _newest(own, places)
    return found


def check_known(file: Path, nights: Sequence[NightLine], here: set[Place], progress: Progress) -> None:
    """Refuse a history none of whose subjects is here; one that does not know its subjects is told of.

    Raises:
        ResultsError: its points say what was scored, and nothing of it is here.
    """
    scores = [point for night in nights for point in night.points if point.kind == "score"]
    watched = {place_of(point) for point in scores if point.fingerprint is not None}
    if watched and here.isdisjoint(watched):
        raise ResultsError(
            "none of the subjects that its nights watched has a result here",
            file=file,
            remedy="name results of them too, as the folder 'results' of its newest night, or leave these nights out",
        )
    if scores and not watched:
        progress.note(f"{file}: no trends, for its nights are from before fingerprints were kept; new nights keep them")


def in_order(histories: Sequence[Sequence[NightLine]]) -> list[NightLine]:
    """The nights of all histories in the order of their start, each once."""
    nights = {night.model_dump_json(): night for history in histories for night in history}
    return [night for _, night in sorted(nights.items(), key=lambda item: (item[1].night, item[0]))]


def place_of(point: Point) -> Place:
    """What was scored, and where."""
    return point.fingerprint, point.lm, point.site


def places_of(board: Board, row: Row) -> set[Place]:
    """The same for everything that a row was scored on."""
    return {(row.fingerprint, record.identity.lm, record.site) for record in board.records(row)}


def _newest(series: Sequence[Sequence[Dated]], places: set[Place]) -> list[Watched]:
    """The series of each metric that ended last, by task: where a parameter or the data changed, another one began."""
    newest: dict[tuple[str, str], Sequence[Dated]] = {}
    for one in series:
        own = _until_last(one, places)
        key = title_of(own[-1][1]), own[-1][1].metric
        newest[key] = max(newest.get(key, own), own, key=lambda either: either[-1][0].night)
    return [_watched(one, places) for _, one in sorted(newest.items(), key=lambda item: item[0][0])]


def _until_last(series: Sequence[Dated], places: set[Place]) -> Sequence[Dated]:
    """The nights up to the subject's own last one."""
    return series[: 1 + max(at for at, (_, point) in enumerate(series) if place_of(point) in places)]


def _watched(series: Sequence[Dated], places: set[Place]) -> Watched:
    last = series[-1][1]
    nights = tuple(
        Night(night.night, str(night.code), value_of(point), _note(point, places)) for night, point in series[-SHOWN:]
    )
    trend = Trend(last.metric, nights)
    return Watched(title_of(last), trend, decimals([night.value for night in nights]), len(series) - len(nights))


def _note(point: Point, places: set[Place]) -> str:
    if point.fingerprint is None:
        return NOT_RECORDED
    return "" if place_of(point) in places else OTHERS
