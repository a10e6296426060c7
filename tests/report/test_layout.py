from __future__ import annotations

import pytest
from built_boards import boards
from leaderboard_records import panel

from saebench.report.layout import FIXED, MOST_COLUMNS, layout_of, shown_columns


def board_of(count):
    records = panel()
    copies = [
        one.model_copy(
            update={
                "id": f"{index:02}{one.id[2:]}",
                "identity": one.identity.model_copy(update={"params": {"setting": index}}),
            }
        )
        for index in range(count)
        for one in records
    ]
    (board,) = boards(copies)
    assert len(board.groups) == count
    return board


@pytest.mark.parametrize("count", [1, 2, 4, 9, 10, 14])
def test_never_more_columns_than_a_reader_can_take_in(count):
    layout = layout_of(board_of(count))
    shown = [len(shown_columns(group, state)) for group, state in layout]
    assert len(FIXED) + sum(shown) <= MOST_COLUMNS
    assert sum(width > 0 for width in shown) == min(count, MOST_COLUMNS - len(FIXED))


def test_a_single_task_is_shown_in_full():
    ((group, state),) = layout_of(board_of(1))
    assert state == "full"
    assert len(shown_columns(group, state)) == len(group.columns)


def test_a_brief_group_shows_what_it_is_ranked_by():
    layout = layout_of(board_of(9))
    for group, state in layout:
        assert state == "brief"
        assert [at for at, _ in shown_columns(group, state)] == [group.headline]
