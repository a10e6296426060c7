from __future__ import annotations

from dataclasses import replace

from built_boards import boards, row_called, value_of
from leaderboard_records import CARD, PANEL, TASK, metrics, panel, record
from scored_panel import store_panel

from saebench.results.schema import SubmissionRecord
from saebench.results.store import ResultStore


def changed(one, **identity):
    made = one.identity.model_copy(update=identity)
    return one.model_copy(update={"id": "0" * 32, "identity": made})


def test_sparsity_stands_beside_every_subject_and_is_no_column_once_more():
    (board,) = boards()
    (group,) = board.groups
    assert [column.metric.name for column in group.columns] == [name for name in CARD.headline if name != "l0"]
    l0 = {row.name: (row.l0.value, row.l0.low, row.l0.high) for row in board.rows}
    assert l0["topk-k32-s0"] == (32.0, 31.36, 32.64)
    assert {row.name: row.band for row in board.rows}["batchtopk-k64-s0"] == 64


def test_results_on_other_data_never_share_a_column():
    records = panel()
    moved = changed(records[0], data={"eval": "e" * 32})
    (board,) = boards([*records, moved])
    assert sorted(len(group.entries) for group in board.groups) == [1, 15]
    assert len({group.id for group in board.groups}) == 2
    assert len(board.rows) == 15


def test_another_model_or_site_is_another_board():
    records = panel()
    elsewhere = changed(records[0], site="blocks.3.hook_resid_post").model_copy(
        update={"site": "blocks.3.hook_resid_post"}
    )
    found = boards([*records, elsewhere])
    assert [(board.site, len(board.rows)) for board in found] == [
        ("blocks.3.hook_resid_post", 1),
        ("blocks.9.hook_resid_post", 15),
    ]
    assert len({row.page for board in found for row in board.rows}) == 16


def test_sets_and_pairs_stand_on_boards_of_their_own():
    records = panel()
    subject = records[0].subject.model_copy(update={"kind": "set", "fingerprint": "f" * 32, "name": "five seeds"})
    group = records[0].model_copy(update={"id": "1" * 32, "subject": subject})
    assert [(board.subjects, len(board.rows)) for board in boards([*records, group])] == [
        ("dictionaries", 15),
        ("sets of seeds", 1),
    ]


def test_several_eval_seeds_of_a_subject_are_one_row():
    name, architecture, role, seed, l0, recovered, fvu, dead = PANEL[0]
    again = record(name, architecture, role, seed, metrics(l0, recovered, fvu, dead), eval_seed=1)
    (board,) = boards([*panel(), again])
    assert len(board.rows) == 15
    found = value_of(board, board.groups[0], name, "loss_recovered")
    assert (found.value, found.undefined) == (None, "several eval_seeds, and per-item scores are missing")


def test_kinds_follow_role_and_recipe():
    (board,) = boards()
    assert (board.count("trained"), board.count("baseline"), board.count("control")) == (6, 2, 7)


def test_rows_stand_best_first_and_those_without_a_value_last():
    for name, sign in (("loss_recovered", -1), ("fvu", 1)):
        card = replace(CARD, headline=(name, "l0"))
        (board,) = boards(cards={TASK: card})
        values = [value_of(board, board.groups[0], row.name, name).value for row in board.rows]
        known = [value for value in values if value is not None]
        assert known == sorted(known, key=lambda value: sign * value)
        assert values[len(known) :] == [None] * (len(values) - len(known))


def test_one_self_reported_number_makes_the_row_so():
    one, two, three, *rest = panel()
    told = SubmissionRecord(name="theirs", status="self-reported")
    agreed = SubmissionRecord(name="theirs", status="reproduced")
    other_suite = one.model_copy(update={"suite": "features", "submission": told, "id": "2" * 32})
    (board,) = boards(
        [
            one,
            other_suite,
            two.model_copy(update={"submission": agreed}),
            three.model_copy(update={"submission": told}),
            *rest,
        ]
    )
    statuses = {row.name: row.status for row in board.rows}
    assert [statuses[record.subject.name] for record in (one, two, three, rest[0])] == [
        "self-reported",
        "reproduced",
        "self-reported",
        "",
    ]


def test_a_task_that_is_not_installed_shows_its_bare_numbers():
    (board,) = boards(cards={})
    (group,) = board.groups
    assert group.card is None
    assert value_of(board, group, "topk-k32-s0", "loss_recovered").value == 0.871
    assert all(entry.standing is None for entry in group.entries.values())


def test_standings_and_the_base_come_from_paired_tests(tmp_path):
    records = store_panel(tmp_path)
    (board,) = boards(records, store=ResultStore(tmp_path))
    (group,) = board.groups
    ranks = {row.name: group.entries[row.fingerprint].standing.rank for row in board.rows}
    assert ranks["identity"] == (1, 1)
    assert ranks["topk-k32-s0"] == ranks["topk-k32-s1"] == (2, 3)
    assert ranks["mean"] == (6, 6)
    assert group.base == row_called(board, "pca-32").fingerprint


def test_differences_to_base_and_neighbours_are_those_of_the_values(tmp_path):
    records = store_panel(tmp_path)
    (board,) = boards(records, store=ResultStore(tmp_path))
    (group,) = board.groups
    names = {row.fingerprint: row.name for row in board.rows}
    value = {row.name: value_of(board, group, row.name, "loss_recovered").value for row in board.rows}
    seen = {}
    for fingerprint, entry in group.entries.items():
        for contrast in entry.contrasts:
            one, other = names[fingerprint], names[contrast.other]
            assert abs(contrast.difference.value - (value[one] - value[other])) < 1e-12
            assert contrast.difference.low <= contrast.difference.value <= contrast.difference.high
            seen[one, other] = contrast
    assert seen["topk-k32-s0", "topk-k32-s1"].apart is False
    assert seen["topk-k32-s0", "relu-s0"].apart is True
    for name in set(value) - {"pca-32"}:
        assert seen[name, "pca-32"].base
    for one, other in seen:
        if (other, one) in seen:
            there, back = seen[one, other].difference, seen[other, one].difference
            assert (there.low, there.high) == (-back.high, -back.low)


def test_a_task_that_must_not_rank_has_differences_without_verdicts(tmp_path):
    records = store_panel(tmp_path)
    (board,) = boards(records, store=ResultStore(tmp_path), cards={TASK: replace(CARD, unfit="it is a toy")})
    (group,) = board.groups
    for entry in group.entries.values():
        assert entry.standing.rank is None
        assert entry.contrasts
        assert {contrast.apart for contrast in entry.contrasts} == {None}
