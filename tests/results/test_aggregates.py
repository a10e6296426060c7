"""One number over several tasks."""

import numpy as np
import pytest
from small_tasks import audited, card, write

from saebench.results.aggregates import aggregate_records
from saebench.results.store import ResultStore

N = 60
EASE = np.random.default_rng(1).normal(0, 0.1, N)


@pytest.fixture
def store(tmp_path):
    return ResultStore(tmp_path)


def noise(seed, size=0.05, n=N):
    drawn = np.random.default_rng([ord(letter) for letter in str(seed)]).normal(0, size, n)
    return drawn - drawn.mean()


def controls(store, task, *, bottom=0.2, top=1.0, **settings):
    write(store, task, "random", bottom + EASE, role="random", **settings)
    write(store, task, "identity", np.full(N, top), role="identity", l0=None, **settings)


def aggregate(store, *tasks, **settings):
    (found,) = aggregate_records(list(store.all()), store, {task.name: task for task in tasks}.__getitem__, **settings)
    return found


def rows_of(found):
    return {row.subject: row for row in found.comparison.rows}


def reason(found, subject):
    return rows_of(found)[subject].estimate.undefined


def test_controls_stand_at_zero_and_one_and_a_subject_in_between(store):
    task = card()
    audited(store, task)
    controls(store, task)
    write(store, task, "sae", 0.6 + EASE - EASE.mean() + noise(1))
    bottom, value = 0.2 + EASE.mean(), 0.6
    rows = rows_of(aggregate(store, task))
    assert (rows["random"].estimate.value, rows["random"].estimate.high) == (0, 0)
    assert (rows["identity"].estimate.value, rows["identity"].estimate.low) == (1, 1)
    found = rows["sae"].estimate
    assert found.value == pytest.approx((value - bottom) / (1 - bottom))
    assert found.low < found.value < found.high


@pytest.mark.parametrize("headline", [("score",), ("loss",)])
def test_direction_and_unit_of_a_metric_do_not_matter(tmp_path, headline):
    values = []
    for place, unit in enumerate((1.0, 0.25)):
        store = ResultStore(tmp_path / str(place))
        task = card(headline=headline)
        audited(store, task, smallest=0.01)
        for name, good, role in (("random", 0.2 + EASE, "random"), ("sae", 0.6 + noise(1), None)):
            write(store, task, name, unit * good, role=role)
        write(store, task, "identity", np.full(N, unit), role="identity")
        values.append(rows_of(aggregate(store, task))["sae"].estimate)
    one, other = values
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))
    assert one.value == pytest.approx((0.6 - 0.2 - EASE.mean()) / (0.8 - EASE.mean()))


def test_the_oracle_counts_before_the_raw_activations(store):
    task = card()
    audited(store, task)
    controls(store, task, top=0.5)
    write(store, task, "truth", np.full(N, 0.9), role="oracle")
    write(store, task, "sae", 0.55 + noise(1))
    found = aggregate(store, task)
    assert rows_of(found)["truth"].estimate.value == 1
    assert found.parts[0].scores["sae"].top == "truth"


def test_the_random_control_of_the_most_similar_sparsity_counts(store):
    task = card()
    audited(store, task)
    controls(store, task)
    write(store, task, "random dense", 0.5 + EASE, role="random", l0=128.0)
    write(store, task, "sparse", 0.6 + noise(1), l0=33.0)
    write(store, task, "dense", 0.6 + noise(2), l0=100.0)
    (part,) = aggregate(store, task).parts
    assert [part.scores[name].bottom for name in ("sparse", "dense")] == ["random", "random dense"]


def test_tasks_have_equal_weight_and_settings_of_one_task_share_it(store):
    one, other = card("one"), card("other")
    for task, ratio, value in ((one, 0.1, 0.4), (one, 0.9, 0.6), (other, 0.1, 0.9)):
        audited(store, task)
        write(store, task, "random", np.zeros(N), role="random", ratio=ratio)
        write(store, task, "identity", np.ones(N), role="identity", ratio=ratio)
        write(store, task, "sae", value + noise(value), ratio=ratio)
    found = aggregate(store, one, other)
    assert [part.weight for part in found.parts] == [0.25, 0.25, 0.5]
    assert rows_of(found)["sae"].estimate.value == pytest.approx(0.25 * 0.4 + 0.25 * 0.6 + 0.5 * 0.9)


def test_a_mean_over_tasks_is_the_mean_of_its_parts(store):
    one, other = card("one"), card("other")
    for task, value in ((one, 0.4), (other, 0.9)):
        audited(store, task)
        controls(store, task)
        write(store, task, "sae", value + noise(value))
    found = aggregate(store, one, other)
    parts = [part.scores["sae"].estimate.value for part in found.parts]
    assert [part.weight for part in found.parts] == [0.5, 0.5]
    assert rows_of(found)["sae"].estimate.value == pytest.approx(np.mean(parts))


def halves(store, one, other):
    """Half widths of the two parts and of their mean."""
    found = aggregate(store, one, other)
    ends = [part.scores["sae"].estimate for part in found.parts] + [rows_of(found)["sae"].estimate]
    return [(end.high - end.low) / 2 for end in ends]


def test_tasks_over_the_same_documents_move_together_and_others_do_not(tmp_path):
    """Two equal parts: their mean is as uncertain as each on shared documents, else by a factor of sqrt(2) less."""
    ratios = {}
    for texts in ("doc", "text"):
        store = ResultStore(tmp_path / texts)
        one, other = card("one"), card("other")
        for task, documents in ((one, "doc"), (other, texts)):
            audited(store, task)
            controls(store, task, documents=documents)
            write(store, task, "sae", 0.6 + noise(1, 0.2), documents=documents)
        first, second, both = halves(store, one, other)
        assert first == pytest.approx(second, rel=0.1)
        ratios[texts] = both / first
    assert ratios["doc"] == pytest.approx(1, abs=0.02)
    assert ratios["text"] == pytest.approx(1 / np.sqrt(2), abs=0.05)


def test_what_subjects_share_drops_out_of_their_difference(store):
    task = card()
    audited(store, task)
    controls(store, task)
    for name, value in (("a", 0.60), ("b", 0.62), ("c", 0.62)):
        write(store, task, name, value + 3 * EASE + noise(name, 0.01))
    rows = rows_of(aggregate(store, task, base="a"))
    gap = rows["b"].difference
    assert gap.low > 0
    assert gap.p < 0.001
    assert gap.high - gap.low < 0.3 * (rows["b"].estimate.high - rows["b"].estimate.low)
    assert rows["b"].letters == rows["c"].letters != rows["a"].letters
    assert rows["b"].rank == rows["c"].rank == (2, 3)


def test_items_of_a_subjects_own_are_resampled_on_their_own(store):
    task = card(headline=("own",))
    audited(store, task)
    for name, value, role in (
        ("random", 0.2, "random"),
        ("identity", 1.0, "identity"),
        ("a", 0.6, None),
        ("b", 0.6, None),
    ):
        write(store, task, name, value + noise(1, 0.1), role=role)
    rows = rows_of(aggregate(store, task, base="a"))
    gap = rows["b"].difference
    assert gap.value == pytest.approx(0, abs=1e-12)
    expected = 2.80 * np.sqrt(2) * 0.1 / np.sqrt(N) / 0.8
    assert gap.detectable == pytest.approx(expected, rel=0.15)


def test_only_tasks_whose_audit_passed_take_part(store):
    sound, weak, unfit, unknown = card("sound"), card("weak"), card("unfit", unfit="an audit said so"), card("unknown")
    audited(store, sound)
    audited(store, weak, "weak")
    audited(store, unfit)
    for task in (sound, weak, unfit, unknown):
        controls(store, task)
        write(store, task, "sae", 0.6 + noise(1))
    found = aggregate(store, sound, weak, unfit, unknown)
    assert [part.scope.task for part in found.parts] == ["sound@1"]
    reasons = {one.scope.task: one.reason for one in found.left_out}
    assert reasons["weak@1"].startswith("audited as weak")
    assert "an audit said so" in reasons["unfit@1"]
    assert reasons["unknown@1"] == "not audited"


def test_without_a_sound_task_there_is_no_aggregate(store):
    task = card()
    controls(store, task)
    write(store, task, "sae", 0.6 + noise(1))
    found = aggregate(store, task)
    assert found.parts == ()
    assert "no task here" in reason(found, "sae")


def test_controls_that_cannot_be_told_apart_make_no_scale(store):
    task = card()
    audited(store, task, smallest=0.05)
    controls(store, task, bottom=0.58, top=0.6)
    write(store, task, "sae", 0.59 + noise(1))
    assert "smallest reliable difference 0.05" in reason(aggregate(store, task), "sae")


def test_controls_in_the_wrong_order_make_no_scale(store):
    task = card()
    audited(store, task)
    controls(store, task, bottom=0.9, top=0.1)
    write(store, task, "sae", 0.6 + noise(1))
    assert "smallest reliable difference" in reason(aggregate(store, task), "sae")


def test_a_missing_control_is_named(store):
    task = card()
    audited(store, task)
    write(store, task, "sae", 0.6 + noise(1))
    assert "no random control" in reason(aggregate(store, task), "sae")
    write(store, task, "random", 0.2 + EASE, role="random")
    assert "no oracle or raw-activation control" in reason(aggregate(store, task), "sae")


def test_a_subject_that_lacks_a_part_has_no_aggregate_and_stays_as_a_row(store):
    one, other = card("one"), card("other")
    for task in (one, other):
        audited(store, task)
        controls(store, task)
        write(store, task, "whole", 0.6 + noise(1))
    write(store, one, "half", 0.7 + noise(2))
    broken = np.where(np.arange(N) == 0, np.nan, 0.5)
    write(store, one, "broken", broken)
    write(store, other, "broken", broken)
    found = aggregate(store, one, other)
    assert reason(found, "half") == "other@1: no result"
    assert "not finite" in reason(found, "broken")
    assert rows_of(found)["whole"].rank is not None
    assert rows_of(found)["half"].rank is None


def test_few_documents_leave_a_value_without_interval_and_test(store):
    task = card()
    audited(store, task)
    for name, value, role in (
        ("random", 0.2, "random"),
        ("identity", 1.0, "identity"),
        ("a", 0.6, None),
        ("b", 0.7, None),
    ):
        write(store, task, name, value + noise(1, n=6), role=role)
    rows = rows_of(aggregate(store, task, base="a"))
    assert rows["b"].estimate.value is not None
    assert "6 clusters" in rows["b"].estimate.undefined
    assert rows["b"].difference.p is None
    assert rows["b"].rank is None


def test_each_kind_of_subject_has_an_aggregate_of_its_own(store):
    task, sets = card("one"), card("sets")
    for each in (task, sets):
        audited(store, each)
        controls(store, each)
    write(store, task, "sae", 0.6 + noise(1))
    write(store, sets, "three seeds", 0.6 + noise(1), kind="set")
    found = aggregate_records(list(store.all()), store, {one.name: one for one in (task, sets)}.__getitem__)
    assert [one.kind for one in found] == ["dictionary", "set"]
    assert [[part.scope.task for part in one.parts] for one in found] == [["one@1"], ["sets@1"]]


def test_the_order_of_results_never_matters(store):
    one, other = card("one"), card("other")
    for task in (one, other):
        audited(store, task)
        controls(store, task)
        for name, value in (("a", 0.6), ("b", 0.7)):
            write(store, task, name, value + noise(name))
    records = list(store.all())
    cards = {one.name: one, other.name: other}.__getitem__
    assert aggregate_records(records, store, cards, base="a") == aggregate_records(
        records[::-1], store, cards, base="a"
    )
