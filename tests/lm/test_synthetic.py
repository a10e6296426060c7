"""Synthetic worlds: the same bits for everybody, statistics that are what the settings say, the contract of a model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from saebench.activations.store import ActivationStore
from saebench.data.packing import DataSpec, load_rows
from saebench.data.sources import source
from saebench.errors import ConfigError, DataError, UnknownName, UsageError
from saebench.fingerprint import array_digest
from saebench.lm.model import load_model
from saebench.lm.synthetic.directions import directions, nearest
from saebench.lm.synthetic.forest import grow
from saebench.lm.synthetic.model import SITE, SyntheticModel
from saebench.lm.synthetic.presets import PRESETS, Hierarchy, Magnitudes, Preset, Zipf, preset
from saebench.lm.synthetic.realised import MEASURED, is_measured, realised
from saebench.lm.synthetic.tokenizer import FIRST, SampleTokenizer
from saebench.lm.synthetic.world import BLOCK, World

SAMPLES = np.arange(40_000)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SAEBENCH_CACHE", str(tmp_path / "cache"))


def flat(features: int, **settings) -> Preset:
    """A world without correlation or hierarchy, every magnitude 1."""
    usual = {
        "name": "flat",
        "features": features,
        "width": features,
        "magnitudes": Magnitudes(mean_first=1, mean_last=1, sd_mean=0, sd_sd=0),
    }
    return Preset(**{**usual, **settings})


def on(world: World, numbers=SAMPLES) -> np.ndarray:
    return world.samples(numbers).toarray() > 0


def test_a_sample_has_the_same_bits_alone_in_any_order_and_after_it_was_forgotten(monkeypatch):
    world = World.named("synthetic:tiny")
    numbers = np.array([700, 3, 3, 64, 99_999, 63])
    together = world.activations(numbers)
    alone = np.concatenate([World.named("synthetic:tiny").activations(numbers[[i]]) for i in range(len(numbers))])
    assert together.tobytes() == alone.tobytes()
    monkeypatch.setattr("saebench.lm.synthetic.world.HELD_BYTES", 2**15)
    assert world.held == 5
    world.activations(np.arange(8) * BLOCK + 200_000)
    assert len(world._blocks) == 5
    assert world.activations(numbers).tobytes() == together.tobytes()
    assert np.array_equal(world.samples(numbers).toarray()[1], world.samples(np.array([3])).toarray()[0])


def test_an_activation_is_the_sum_of_its_features_and_the_bias():
    world = World.named("synthetic:tiny")
    magnitudes = world.samples(SAMPLES[:500]).toarray()
    expected = magnitudes @ world.directions.astype(float) + world.bias
    np.testing.assert_allclose(world.activations(SAMPLES[:500]), expected, atol=1e-5)
    assert np.linalg.norm(world.bias) == pytest.approx(world.preset.bias)
    np.testing.assert_allclose(np.linalg.norm(world.directions, axis=1), 1, atol=1e-6)


def test_the_published_samples_do_not_change_unnoticed():
    """The fingerprint must move when the samples do: raise VERSION in world.py where this fails."""
    world = World.named("synthetic:tiny")
    if world.fingerprint != "12aec0d6583d27cf4afbc479b0933873":
        pytest.fail("the generator, the preset or numpy's streams changed: pin both values anew")
    assert array_digest({"x": world.activations(np.arange(256))}) == "2699af4c1abbb90f92193d950e4861a1"


def test_another_seed_is_another_world_and_a_name_or_a_longer_corpus_is_not():
    tiny, other = World.named("synthetic:tiny"), World.named("synthetic:tiny?seed=1")
    assert tiny.fingerprint != other.fingerprint
    assert not np.array_equal(tiny.activations(SAMPLES[:64]), other.activations(SAMPLES[:64]))
    renamed = World(tiny.preset.model_copy(update={"name": "mine", "documents": 7}))
    assert renamed.fingerprint == tiny.fingerprint
    assert other.preset.reference == "synthetic:tiny?seed=1"
    assert preset("synthetic:tiny?seed=0").reference == "synthetic:tiny"


def test_without_hierarchy_features_fire_as_often_as_nominal_and_independently():
    world = World(flat(12, firing=Zipf(highest=0.4, lowest=0.02)))
    fires = on(world)
    error = np.sqrt(world.firing.nominal * (1 - world.firing.nominal) / len(SAMPLES))
    assert np.abs(fires.mean(0) - world.firing.nominal).max() < 4.5 * error.max()
    assert np.all(np.diff(world.firing.nominal) < 0)
    correlation = np.corrcoef(fires.T) - np.eye(12)
    assert np.abs(correlation).max() < 5 / np.sqrt(len(SAMPLES))


def test_the_copula_gives_the_joint_probabilities_of_the_normal_distribution():
    world = World(flat(3, firing=Zipf(highest=0.3, lowest=0.1), correlation_rank=2, correlation_scale=0.6, seed=3))
    firing, fires = world.firing, on(world)
    rho = firing.factor @ firing.factor.T
    assert np.abs(fires.mean(0) - firing.nominal).max() < 0.012
    for i, j in ((0, 1), (0, 2), (1, 2)):
        joint = stats.multivariate_normal(cov=[[1, rho[i, j]], [rho[i, j], 1]])
        expected = joint.cdf([-firing.threshold[i], -firing.threshold[j]])
        seen = (fires[:, i] & fires[:, j]).mean()
        assert seen == pytest.approx(expected, abs=4.5 * np.sqrt(expected / len(SAMPLES)))
    assert np.abs(rho[~np.eye(3, dtype=bool)]).max() > 0.2, "the case must show a correlation"


def test_children_fire_only_below_their_parent_and_exclude_each_other():
    world = World.named("synthetic:tiny")
    fires, forest = on(world), world.firing.forest
    children = np.flatnonzero(forest.parent >= 0)
    assert not (fires[:, children] & ~fires[:, forest.parent[children]]).any()
    for families in forest.families:
        assert fires[:, families].sum(2).max() == 1


def test_compensation_keeps_nominal_rates_where_parents_allow_them():
    shape = Hierarchy(roots=2, branching=3, depth=2)
    settings = flat(26, firing=Zipf(exponent=1.5, highest=0.5, lowest=0.003), hierarchy=shape)
    world = World(settings)
    firing, fires = world.firing, on(world)
    wide = firing.forest.families
    allowed = np.concatenate(
        [f[firing.nominal[f].sum(1) < firing.nominal[firing.forest.parent[f[:, 0]]]].ravel() for f in wide]
    )
    assert len(allowed) >= 6
    error = 4.5 * np.sqrt(firing.nominal / len(SAMPLES))
    assert np.all(np.abs(fires.mean(0) - firing.nominal)[allowed] < error[allowed])
    assert np.all(np.abs(fires.mean(0) - firing.feasible) < 4.5 * np.sqrt(firing.feasible / len(SAMPLES)))
    loose = World(settings.model_copy(update={"hierarchy": shape.model_copy(update={"compensated": False})}))
    deep = firing.forest.depth == 2
    assert on(loose)[:, deep].mean() < 0.2 * fires[:, deep].mean()


def test_magnitudes_are_normal_and_those_of_children_follow_their_parent():
    world = World(flat(7, magnitudes=Magnitudes(mean_first=6, mean_last=4, sd_mean=0.5, sd_sd=0), bias=0))
    for feature in (0, 6):
        column = world.samples(SAMPLES).toarray()[:, feature]
        held = column[column > 0]
        assert held.mean() == pytest.approx([6, 4][feature > 0], abs=0.1)
        assert held.std() == pytest.approx(0.5, abs=0.06)
    shape = Hierarchy(roots=1, branching=2, depth=1)
    magnitudes = Magnitudes(mean_first=2, mean_last=2, sd_mean=0.3, sd_sd=0)
    values = World(flat(3, hierarchy=shape, magnitudes=magnitudes)).samples(SAMPLES).toarray()
    both = values[:, 1] > 0
    assert np.corrcoef(values[both, 0], values[both, 1])[0, 1] == pytest.approx(np.sqrt(0.5), abs=0.05)
    apart = Hierarchy(roots=1, branching=2, depth=1, scaled=False)
    values = World(flat(3, hierarchy=apart, magnitudes=magnitudes)).samples(SAMPLES).toarray()
    both = values[:, 1] > 0
    assert abs(np.corrcoef(values[both, 0], values[both, 1])[0, 1]) < 0.05


def test_realised_statistics_are_those_of_the_samples_and_are_kept(tmp_path, monkeypatch):
    world = World.named("synthetic:tiny")
    assert not is_measured(world)
    found = realised(world)
    assert is_measured(world)
    values = world.samples(np.arange(MEASURED)).toarray()
    fires = values > 0
    np.testing.assert_allclose(found.rate, fires.mean(0))
    np.testing.assert_allclose(found.mean, values.sum(0) / fires.sum(0))
    np.testing.assert_allclose(found.sd[5], values[fires[:, 5], 5].std())
    assert found.l0 == pytest.approx(fires.sum(1).mean())
    cosines = np.abs(world.directions @ world.directions.T) - np.eye(48)
    np.testing.assert_allclose(found.nearest, cosines.max(1), atol=1e-5)
    correlation = np.corrcoef(fires.T) - 2 * np.eye(48)
    assert found.partners[4, 0] == correlation[4].argmax()
    assert world.firing.forest.parent[found.partners[4, 0]] == 4
    assert found.phi[4, 0] == pytest.approx(correlation[4].max(), rel=1e-4)
    monkeypatch.setattr(World, "samples", None)
    assert np.array_equal(realised(World.named("synthetic:tiny")).phi, found.phi)


def test_no_more_directions_than_dimensions_become_orthogonal():
    draw = np.random.default_rng(0)
    assert nearest(directions(16, 24, 200, draw)).max() < 1e-3
    crowded = [nearest(directions(48, 24, steps, np.random.default_rng(1))).mean() for steps in (0, 100)]
    assert crowded[1] < 0.8 * crowded[0]


def test_the_forest_of_synth16k_is_that_of_sae_lens():
    from sae_lens.synthetic import HierarchyConfig, generate_hierarchy

    settings = PRESETS.get("synth16k")
    forest = grow(settings.features, settings.hierarchy)
    theirs = generate_hierarchy(
        settings.features, HierarchyConfig(total_root_nodes=128, branching_factor=4, max_depth=3)
    )
    expected = np.full((2, settings.features), -1)
    front = [(root, -1, 0) for root in theirs.roots]
    while front:
        node, above, level = front.pop()
        expected[:, node.feature_index] = above, level
        front += [(child, node.feature_index, level + 1) for child in node.children]
    assert np.array_equal(np.stack([forest.parent, forest.depth]), expected)
    assert (forest.depth >= 0).sum() == 10_880
    assert np.array_equal(forest.root[forest.families[0]], np.repeat(np.arange(128), 4).reshape(128, 4))
    with pytest.raises(ConfigError, match="10880 features, and there are 100"):
        grow(100, settings.hierarchy)


def test_a_world_is_captured_like_a_language_model(tmp_path):
    lm = load_model("synthetic:tiny", device="cpu")
    spec = DataSpec(source="synthetic:tiny", part="eval", documents=5, context=48)
    rows = load_rows(spec, lm.tokenizer, tokenizer_hash=lm.tokenizer_hash)
    stored = [
        ActivationStore(tmp_path / str(size)).sets(lm, rows, [SITE], batch_rows=size)[SITE].block(0, rows.n_rows)
        for size in (1, 4)
    ]
    assert torch.equal(*stored)
    numbers = rows.tokens[rows.mask].astype(np.int64) - FIRST
    assert np.array_equal(stored[0].numpy()[rows.mask], lm.world.activations(numbers))
    assert rows.n_tokens == 5 * 64
    assert np.array_equal(stored[0].numpy()[~rows.mask][0], lm.world.bias)
    assert lm.capture(torch.tensor([[FIRST]]), [SITE])[SITE].shape == (1, 1, 24)


def test_training_and_evaluation_samples_are_disjoint():
    lm = load_model("synthetic:tiny", device="cpu")
    held = {}
    for part in ("train", "eval"):
        spec = DataSpec(source="synthetic:tiny", part=part, tokens=20_000)
        rows = load_rows(spec, lm.tokenizer, tokenizer_hash=lm.tokenizer_hash)
        held[part] = set((rows.tokens[rows.mask].astype(np.int64) - FIRST).tolist())
    assert len(held["train"]) == 20_000
    assert held["train"].isdisjoint(held["eval"])
    assert max(held["train"] | held["eval"]) < lm.world.preset.samples
    assert source("synthetic:tiny").census().documents == 2048


def test_the_tokenizer_reads_numbers_and_ranges_and_nothing_else():
    tokenizer = SampleTokenizer()
    ids = tokenizer(["17 18", "640-643 2"], add_special_tokens=False)["input_ids"]
    assert ids == [[17 + FIRST, 18 + FIRST], [*range(640 + FIRST, 644 + FIRST), 2 + FIRST]]
    assert tokenizer.batch_decode(ids) == ["17 18", "640 641 642 643 2"]
    for text in ("the cat", "9-3", "1.5", "-4", "0-99999999", "99999999999"):
        with pytest.raises(DataError):
            tokenizer(text)


def test_what_needs_a_next_token_is_refused_with_a_remedy():
    lm = SyntheticModel(World.named("synthetic:tiny"))
    tokens, acts = torch.full((1, 4), 20), torch.zeros(1, 4, 24)
    refused = (
        lambda: lm.logits(tokens),
        lambda: lm.resume(SITE, acts, tokens),
        lambda: lm.generate(tokens, 3),
        lambda: lm.spliced(SITE, torch.relu).__enter__(),
    )
    for call in refused:
        with pytest.raises(UsageError, match="ground_truth@1"):
            call()


def test_wrong_names_are_answered_with_near_misses():
    for name, hint in (("synthetic:tinny", "tiny"), ("synthetic-tiny", "synthetic:tiny")):
        with pytest.raises(UnknownName, match=f"did you mean {hint}"):
            load_model(name)
    with pytest.raises(UnknownName, match="did you mean features"):
        load_model("synthetic:tiny").site("feature")
    for query in ("sed=1", "seed=x"):
        with pytest.raises(UsageError):
            load_model(f"synthetic:tiny?{query}")
