from __future__ import annotations

from leaderboard_records import CARD, PANEL, TASK, metrics, panel, record

from saebench.report.view import sections, unique


def shown(records):
    return sections(unique(records), {TASK: CARD}, {}, {})


def test_sparsity_is_the_first_metric_whatever_the_card_says() -> None:
    (section,) = shown(panel())
    assert section.columns[0].metric.name == "l0"
    assert sorted(column.metric.name for column in section.columns) == sorted(CARD.headline)


def test_results_on_other_data_never_share_a_table() -> None:
    records = panel()
    identity = records[0].identity.model_copy(update={"data": {"eval": "e" * 32}})
    moved = records[0].model_copy(update={"id": "0" * 32, "identity": identity})
    assert [len(section.rows) for section in shown([*records, moved])] in ([1, 15], [15, 1])


def test_eval_seeds_share_a_table_and_are_told_apart() -> None:
    name, architecture, role, seed, l0, recovered, fvu, dead = PANEL[0]
    again = record(name, architecture, role, seed, metrics(l0, recovered, fvu, dead), eval_seed=1)
    (section,) = shown([*panel(), again])
    assert {row.name for row in section.rows} >= {f"{name} (eval seed 0)", f"{name} (eval seed 1)"}


def test_the_newest_of_two_results_with_one_id_counts() -> None:
    one = panel()[0]
    later = one.provenance.model_copy(update={"finished": "2027-01-01T00:00:00Z"})
    newer = one.model_copy(update={"provenance": later})
    assert unique([newer, one]) == unique([one, newer]) == [newer]


def test_kinds_follow_role_and_recipe() -> None:
    (section,) = shown(panel())
    assert (section.count("trained"), section.count("baseline"), section.count("control")) == (6, 2, 7)


def test_best_first_follows_the_direction_of_the_metric() -> None:
    from dataclasses import replace

    lower = replace(CARD, headline=("fvu", "l0"))
    (section,) = sections(panel(), {TASK: lower}, {}, {})
    values = [row.record.metrics["fvu"].value for row in section.rows]
    assert values == sorted(values)
