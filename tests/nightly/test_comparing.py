"""Cells from results on disk: pooled seeds, definitions that changed, undefined values, latents and pairs of seeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from result_examples import CARD, record_of, scores_of, tables_of, write_example

from saebench.nightly.comparing import compare, watched
from saebench.nightly.differences import Side, difference, same_items
from saebench.nightly.margins import margin_of
from saebench.nightly.matching import match
from saebench.results.audits import Measured
from saebench.results.items import ItemTable
from saebench.results.store import ResultStore
from saebench.tasks.contract import Metric, Scores

DEFINITIONS = {CARD.name: watched(CARD)}


def cells_of(new, old, *, card=CARD, definitions=DEFINITIONS, failed=None):
    """Cells by metric, of everything in two stores."""
    found = compare(
        match(new.all(), old.all()),
        new.items,
        old.items,
        definitions,
        lambda task: card,
        lambda card: None,
        failed or {},
    )
    return {one.cell.metric: one for one in found}


@pytest.fixture
def stores(tmp_path):
    return ResultStore(tmp_path / "new"), ResultStore(tmp_path / "old")


def test_only_headline_metrics_with_a_better_and_a_worse_are_watched():
    assert set(watched(CARD)) == {"quality", "width"}
    assert set(watched(replace(CARD, headline=("quality", "error", "size", "old")))) == {"quality", "error"}


def test_the_same_results_are_the_same(stores):
    for store in stores:
        write_example(store, "topk", 0.5)
    cells = cells_of(*stores)
    assert set(cells) == {"quality", "width"}
    for cell in cells.values():
        assert cell.same
        assert cell.difference.value == 0
        assert cell.difference.p == 1


def test_a_fall_is_the_paired_difference_over_all_seeds(stores):
    new, old = stores
    for seed in (0, 1):
        write_example(new, "topk", 0.4, eval_seed=seed)
        write_example(old, "topk", 0.5, eval_seed=seed)
    cell = cells_of(new, old)["quality"]
    by_hand = []
    for quality in (0.4, 0.5):
        tables = [tables_of(quality, seed=seed)["documents"].columns for seed in (0, 1)]
        by_hand.append(sum(one["good"].sum() for one in tables) / sum(one["tokens"].sum() for one in tables))
    assert cell.difference.value == pytest.approx(by_hand[0] - by_hand[1])
    assert cell.now.value == pytest.approx(by_hand[0])
    assert cell.difference.n == 80, "documents of both seeds"
    assert cell.difference.p < 1e-3
    assert not cell.same


def test_latents_are_paired_only_while_the_dictionary_is_the_same(stores):
    new, old = stores
    scores = scores_of(0.5)
    table = scores.tables["latents"]
    moved = ItemTable(table.items, table.clusters, {"width": table.columns["width"] - 0.05})
    other = Scores({**scores.tables, "latents": moved})
    old.write(record_of("topk", scores), scores.tables)
    new.write(record_of("topk", other), other.tables)
    paired = cells_of(new, old)["width"]
    assert paired.paired
    assert paired.difference.detectable == pytest.approx(0, abs=1e-12), "each latent fell by the same"

    record = record_of("topk", other)
    subject = record.subject.model_copy(update={"fingerprint": "another"})
    new.write(record.model_copy(update={"subject": subject}), other.tables)
    apart = cells_of(new, old)["width"]
    assert not apart.paired
    assert apart.difference.value == pytest.approx(paired.difference.value)
    assert apart.difference.detectable > 0.01


def test_a_metric_that_was_redefined_is_compared_with_what_it_was(stores):
    """The new card turns quality into its complement; the reference's number stays what it was."""
    for store in stores:
        write_example(store, "topk", 0.5)
    metrics = tuple(replace(one, complement=True) if one.name == "quality" else one for one in CARD.metrics)
    cell = cells_of(*stores, card=replace(CARD, metrics=metrics))["quality"]
    assert not cell.same
    assert cell.now.value == pytest.approx(1 - cell.then.value)
    assert cell.difference.value == pytest.approx(1 - 2 * cell.then.value)


def test_undefined_on_both_sides_is_no_change_and_a_lost_value_is_told(stores):
    new, old = stores
    scores = scores_of(0.5)
    broken = Scores(scores.tables, undefined={"width": "no latent is alive"})
    old.write(record_of("topk", scores), scores.tables)
    new.write(record_of("topk", broken), broken.tables)
    cell = cells_of(new, old)["width"]
    assert cell.lost
    assert cell.reason == "undefined tonight: no latent is alive"
    found = cells_of(old, new)["width"]
    assert not found.lost
    assert found.reason == "undefined in the reference: no latent is alive"
    both = cells_of(new, new)["width"]
    assert both.same
    assert not both.reason


def test_what_tonight_does_not_have_is_a_row_with_its_reason(stores):
    new, old = stores
    write_example(new, "topk", 0.5)
    write_example(old, "topk", 0.5)
    write_example(old, "gone", 0.5)
    gone = [one for one in compare_all(new, old, {}) if one.cell.subject == "gone"]
    assert {one.cell.metric for one in gone} == {"quality", "width"}
    assert {one.reason for one in gone} == {"it was not scored tonight"}
    failed = [one for one in compare_all(new, old, {"./gone": "it is torn"}) if one.cell.subject == "gone"]
    assert {one.reason for one in failed} == {"it failed tonight: it is torn"}


def compare_all(new, old, failed):
    matches = match(new.all(), old.all())
    return compare(matches, new.items, old.items, DEFINITIONS, lambda task: CARD, lambda card: None, failed)


def test_items_of_other_clusters_are_not_compared(stores):
    new, old = stores
    scores = scores_of(0.5)
    table = scores.tables["documents"]
    other = ItemTable(table.items, tuple("one" for _ in table.items), table.columns)
    old.write(record_of("topk", scores), scores.tables)
    new.write(record_of("topk", scores), {**scores.tables, "documents": other})
    assert "different clusters" in cells_of(new, old)["quality"].reason


def test_pairs_of_seeds_are_compared_by_jackknife():
    """Items are pairs of three dictionaries; the change of a mean over pairs is its difference."""
    agreement = Metric("agreement", "", {"score": 1}, {"1": 1}, "pairs", direction="up")

    def side(scores):
        return Side(
            agreement, ItemTable(("ab", "ac", "bc"), ("a", "a", "b"), {"score": np.array(scores)}, ("b", "c", "c"))
        )

    new, old = side([0.5, 0.6, 0.7]), side([0.7, 0.8, 0.9])
    found = difference(new, old, seed="x", matched=True)
    assert found.value == pytest.approx(-0.2)
    assert found.n == 3
    assert same_items(new, new)
    assert not same_items(new, old)


def test_rounding_is_no_change_and_order_of_items_is_none():
    rng = np.random.default_rng(0)
    scores, names = rng.uniform(size=20), tuple(f"d{number}" for number in range(20))
    metric = Metric("m", "", {"score": 1}, {"1": 1}, "documents", direction="up")
    old = Side(metric, ItemTable(names, names, {"score": scores}))
    order = rng.permutation(20)
    shuffled = tuple(names[at] for at in order)
    assert same_items(Side(metric, ItemTable(shuffled, shuffled, {"score": scores[order] * (1 + 1e-8)})), old)
    assert not same_items(Side(metric, ItemTable(names, names, {"score": scores * (1 + 1e-3)})), old)


@pytest.mark.parametrize(
    ("low", "high", "noise", "value"), [(0.0, 1.0, 0.02, 0.02), (0.0, 1.0, 0.001, 0.005), (-1.0, 1.0, None, 0.01)]
)
def test_a_margin_is_the_larger_of_recorded_noise_and_half_a_percent_of_the_range(low, high, noise, value, audit):
    metric = Metric("m", "", {"a": 1}, {"1": 1}, "documents", direction="up", low=low, high=high)
    measured = Measured(value=noise, undefined=None if noise else "one subject")
    found = margin_of(metric, audit.model_copy(update={"smallest_reliable_paired": measured}))
    assert found.value == pytest.approx(value)


def test_without_audit_and_range_there_is_no_margin(audit):
    metric = Metric("m", "", {"a": 1}, {"1": 1}, "documents", direction="up", low=0.0)
    assert margin_of(metric, None).value is None
    assert "saebench audit" in margin_of(metric, None).source
    assert margin_of(metric, audit).value == audit.smallest_reliable_paired.value


@pytest.fixture
def audit():
    from saebench.packaged_files import packaged
    from saebench.results.audits import read_audit

    return read_audit(packaged("suites") / "audits" / "reconstruction@1.json").metric("fvu")
