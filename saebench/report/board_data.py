"""The boards as compact JSON: what the script of the index draws its table, plots and downloads from.

Numbers are rounded to the digits that the page shows. A column is one flat list: value, low and high of each row. What
is undefined is null, with the number of its reason in `reasons`; a subject that a group did not score is null without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from saebench.report.groups import better
from saebench.report.layout import layout_of
from saebench.report.numbers import Measured
from saebench.report.view import Board, Column, Entry, Group
from saebench.tasks.contract import Direction

Json = dict[str, Any]


def boards_json(boards: Sequence[Board], reasons: Sequence[str], card_pages: Mapping[str, str]) -> list[Json]:
    """All boards.

    Args:
        boards: in their order on the page.
        reasons: every reason of an undefined number, in the order in which the page lists them.
        card_pages: address of a task's card, by task name.
    """
    numbers = {reason: number for number, reason in enumerate(reasons, 1)}
    return [_board(board, numbers, card_pages) for board in boards]


def reasons_of(boards: Sequence[Board]) -> list[str]:
    """Why numbers of the boards are undefined, each reason once, in the order of the tables."""
    found: dict[str, None] = {}
    for board in boards:
        for group in board.groups:
            for row in board.rows:
                entry = group.entries.get(row.fingerprint)
                found |= dict.fromkeys(value.undefined for value in entry.values if value.undefined) if entry else {}
    return list(found)


def _board(board: Board, numbers: Mapping[str, int], card_pages: Mapping[str, str]) -> Json:
    places = {row.fingerprint: place for place, row in enumerate(board.rows)}
    return {
        "id": board.id,
        "model": board.model,
        "site": board.site,
        "subjects": board.subjects,
        "rows": {
            "name": [row.name for row in board.rows],
            "page": [row.page for row in board.rows],
            "kind": [row.kind for row in board.rows],
            "architecture": [row.architecture for row in board.rows],
            "latents": [row.latents for row in board.rows],
            "l0": [end for row in board.rows for end in ends(row.l0, 1)],
            "band": [None if row.band is None else short(row.band) for row in board.rows],
            "status": [row.status for row in board.rows],
        },
        "leading": board.leading.id,
        "groups": [_group(group, places, numbers, card_pages) for group in board.groups],
        "layout": {group.id: state for group, state in layout_of(board)},
    }


def _group(group: Group, places: Mapping[str, int], numbers: Mapping[str, int], card_pages: Mapping[str, str]) -> Json:
    entries = [group.entries.get(fingerprint) for fingerprint in places]
    return {
        "id": group.id,
        "suite": group.suite,
        "task": group.task,
        "setting": group.setting,
        "card": card_pages.get(group.task),
        "unfit": bool(group.unfit),
        "headline": group.headline,
        "base": None if group.base is None else places[group.base],
        "columns": [_column(column, at, entries, numbers) for at, column in enumerate(group.columns)],
        "standing": [None if entry is None else _standing(entry) for entry in entries],
        "beside": _beside(group, places),
    }


def _column(column: Column, at: int, entries: Sequence[Entry | None], numbers: Mapping[str, int]) -> Json:
    values = [None if entry is None else entry.values[at] for entry in entries]
    return {
        "name": column.metric.name,
        "label": column.label,
        "better": column.metric.direction,
        "trust": column.trust,
        "decimals": column.decimals,
        "scale": None
        if column.scale is None
        else [float(f"{column.scale.start:.6g}"), float(f"{column.scale.end:.6g}"), column.scale.logarithmic],
        "cells": [end for value in values for end in ends(value, column.decimals)],
        "reasons": {
            str(place): numbers[value.undefined]
            for place, value in enumerate(values)
            if value is not None and value.undefined
        },
    }


def ends(value: Measured | None, decimals: int) -> list[float | int | None]:
    """Value, low and high with so many decimals."""
    held = (None, None, None) if value is None else (value.value, value.low, value.high)
    return [None if one is None else rounded(one, decimals) for one in held]


def rounded(value: float, decimals: int) -> float | int:
    """A number with at most so many decimals, as the shortest JSON."""
    return short(round(value, decimals))


def short(value: float) -> float | int:
    """A whole number without its point; no negative zero."""
    return int(value) if value == int(value) and abs(value) < 2**53 else value


def _standing(entry: Entry) -> list[Any] | None:
    """Letters, best and worst rank, the same within the band of L0, and whether it is on the Pareto curve."""
    row = entry.standing
    if row is None or row.rank is None:
        return None
    return [" ".join(row.letters), *row.rank, *(row.band_rank or (None, None)), row.frontier]


def _beside(group: Group, places: Mapping[str, int]) -> Json:
    """Differences to the base and to the next subject of the group, best first: flat lists with five numbers a row.

    They are the other row, value, low and high of this minus the other, and 1 where both differ significantly, 0 where
    not. All five are null where there is no such difference.
    """
    ranked = [row for row in places if row in group.entries and group.entries[row].contrasts]
    ranked.sort(key=lambda row: better(_headline(group, row), _direction(group)))
    follower = dict(pairwise(ranked))
    to_base = [_difference(group, row, group.base, places) for row in places]
    to_next = [_difference(group, row, follower.get(row), places) for row in places]
    return {"base": [end for one in to_base for end in one], "next": [end for one in to_next for end in one]}


def _headline(group: Group, row: str) -> float:
    return 0.0 if group.headline is None else group.entries[row].values[group.headline].value or 0.0


def _direction(group: Group) -> Direction:
    return "none" if group.headline is None else group.columns[group.headline].metric.direction


def _difference(group: Group, row: str, other: str | None, places: Mapping[str, int]) -> list[Any]:
    contrasts = group.entries[row].contrasts if row in group.entries else ()
    found = next((one for one in contrasts if one.other == other), None)
    if found is None or other is None or group.headline is None:
        return [None] * 5
    decimals = group.columns[group.headline].decimals + 1
    return [places[other], *ends(found.difference, decimals), None if found.apart is None else int(found.apart)]
