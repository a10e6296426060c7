"""Which columns a board shows at first: no more than a reader can take in, and every task before any in full."""

from __future__ import annotations

from typing import Literal

from saebench.report.view import Board, Column, Group

MOST_COLUMNS = 15
FIXED = ("Name", "Rank", "Architecture", "Latents", "L0")
"""Columns that every board has."""

State = Literal["full", "brief", "none"]
"""All columns of a group, its headline alone, or none."""


def layout_of(board: Board) -> list[tuple[Group, State]]:
    """The groups of a board with their first state, in order.

    As many groups as there is room for show their headline; then they are opened in full, one after the other, until
    all columns together would be more than `MOST_COLUMNS`.
    """
    room = MOST_COLUMNS - len(FIXED)
    states: dict[str, State] = {group.id: "none" for group in board.groups}
    for group in board.groups:
        if room and group.columns:
            states[group.id] = "brief"
            room -= 1
    for group in board.groups:
        more = len(group.columns) - 1
        if states[group.id] == "none" or more > room:
            break
        states[group.id] = "full"
        room -= more
    return [(group, states[group.id]) for group in board.groups]


def shown_columns(group: Group, state: State) -> list[tuple[int, Column]]:
    """The columns of a group in a state, with their places in it."""
    if state == "none":
        return []
    chosen = range(len(group.columns)) if state == "full" else [group.headline or 0]
    return [(at, group.columns[at]) for at in chosen]
