"""`ground_truth@1`: dictionaries whose faults are known, closed forms, and sae-lens on the same arrays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from known_world import Edited, Known
from scipy import sparse

from saebench.baselines.controls import Identity, MeanOnly, PermutedDecoder, RandomDictionary
from saebench.dictionaries.fakes import RandomLinear
from saebench.errors import UsageError
from saebench.lm.fakes import tiny_model
from saebench.lm.synthetic.presets import Hierarchy, Magnitudes, Preset, Zipf, preset
from saebench.lm.synthetic.realised import realised
from saebench.matching import random_null
from saebench.tasks.ground_truth.params import TruthParams
from saebench.tasks.ground_truth.probing import best_threshold, probe_f1
from saebench.tasks.ground_truth.task import GroundTruth, choosing
from saebench.tasks.summary import summarise

PERFECT = ("f1", "precision", "recall", "mcc", "mcc_signed", "mcc_above_null", "coverage", "l0_ratio")
OF_LATENTS = ("latent_f1", "latent_precision", "latent_recall", "uniqueness")


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    folder = tmp_path_factory.mktemp("known")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAEBENCH_CACHE", str(folder / "cache"))
        yield Known(preset("synthetic:tiny"), folder)


def column(scores, table: str, name: str) -> np.ndarray:
    return scores.tables[table].columns[name]


def part_of(known, held: torch.Tensor) -> Edited:
    """The oracle with some of its latents alone."""
    return Edited(known.oracle, known.directions[held], lambda codes: codes[:, held])


def test_the_oracle_is_perfect(known):
    metrics = known.metrics(known.oracle)
    assert {name: metrics[name] for name in (*PERFECT, *OF_LATENTS)} == {
        name: pytest.approx(1, abs=1e-6) for name in (*PERFECT, *OF_LATENTS)
    }
    assert metrics["fvu"] < 1e-10
    assert metrics["mixing"] < 1e-8
    assert (metrics["absorption"], metrics["parent_silent_with_child"], metrics["dead_fraction"]) == (0, 0, 0)
    assert metrics["probe_f1"] > 0.97
    for group in ("rare", "middle", "frequent", "roots", "children", "outside"):
        assert metrics[f"f1_{group}"] == 1


def test_a_permuted_decoder_keeps_mcc_and_loses_f1(known):
    honest, permuted = (known.metrics(one) for one in (known.oracle, PermutedDecoder(known.oracle, 0)))
    for name in ("mcc", "mcc_signed", "coverage", "uniqueness", "mixing", "probe_f1", "l0"):
        assert permuted[name] == pytest.approx(honest[name], abs=1e-6)
    assert permuted["f1"] < 0.15
    assert permuted["latent_f1"] < 0.15
    assert permuted["fvu"] > 1


def test_random_dictionaries_lie_on_the_null(known):
    null = known.scores([known.oracle])["0"].details["null"]["mcc"]
    of_random = random_null(48, 48, 24, signed=False)
    assert of_random.mean < null < of_random.mean + 0.03, "directions that were pushed apart are nearer to any atom"
    mean = known.data.mean().float()
    seeds = [known.metrics(RandomDictionary(24, 48, 3, seed, mean)) for seed in range(12)]
    values = np.array([one["mcc"] for one in seeds])
    assert abs(values.mean() - null) < 4 * of_random.sd * np.sqrt(1 / len(values) + 1 / 32)
    above = np.array([one["mcc_above_null"] for one in seeds])
    np.testing.assert_allclose(above, (values - null) / (1 - null), atol=1e-9)
    assert max(one["f1"] for one in seeds) < 0.3
    assert seeds[0]["absorption"] is None


def test_a_missed_feature_counts_against_f1_and_not_against_the_published_measures(known):
    held = torch.arange(0, 48, 2)
    half = part_of(known, held)
    metrics = known.metrics(half)
    assert metrics["mcc"] == pytest.approx(1)
    assert metrics["latent_f1"] == metrics["uniqueness"] == 1
    counted = (known.magnitudes > 0).sum(0) >= TruthParams().least
    assert metrics["f1"] == pytest.approx(counted[held].sum() / counted.sum())
    assert metrics["coverage"] == 0.5
    assert known.scores([half])["0"].details["missed_features"] == 24


def test_what_is_missed_shows_in_its_third_and_at_its_depth(known):
    rate, depth = realised(known.world).rate, known.world.firing.forest.depth
    groups = {
        "rare": rate <= np.sort(rate)[15],
        "frequent": rate >= np.sort(rate)[32],
        "roots": depth == 0,
        "children": depth > 0,
        "outside": depth < 0,
    }
    for name, members in groups.items():
        held = torch.from_numpy(np.flatnonzero(~members))
        scores = known.scores([Edited(known.oracle, known.directions[held], lambda codes, held=held: codes[:, held])])[
            "0"
        ]
        assert summarise(GroundTruth.card, scores)[f"f1_{name}"].value == 0
        others = {other for other, those in groups.items() if not (those & members).any()}
        assert all(summarise(GroundTruth.card, scores)[f"f1_{other}"].value == 1 for other in others)
    shown = scores.details["features"]
    assert shown["outside"]["f1"] == 0
    assert shown["depth 2"]["f1"] == shown["depth 0"]["f1"] == 1
    assert [shown[place]["features"] for place in ("depth 0", "depth 1", "depth 2", "outside")] == [4, 8, 16, 20]


def test_half_of_the_documents_choose_by_seed_and_name():
    names = [f"document {number}" for number in range(31)]
    first = choosing(names, 0)
    assert first.sum() == 15
    assert np.array_equal(choosing(names[::-1], 0), first[::-1])
    assert not np.array_equal(choosing(names, 1), first)


def test_twins_cost_uniqueness_alone(known):
    twins = Edited(known.oracle, known.directions.repeat(2, 1), lambda codes: codes.repeat(1, 2))
    metrics = known.metrics(twins)
    assert metrics["f1"] == metrics["latent_f1"] == metrics["coverage"] == 1
    assert metrics["uniqueness"] == 0.5
    assert metrics["l0_ratio"] == 2


def test_order_and_lengths_of_latents_do_not_matter_and_a_flipped_atom_costs_the_signed_cosine(known):
    draw = torch.Generator().manual_seed(1)
    atoms = known.directions + 0.15 * torch.randn(48, 24, generator=draw)
    plain = known.metrics(Edited(known.oracle, atoms))
    order, length = torch.randperm(48, generator=draw), 0.5 + torch.rand(48, generator=draw)
    moved = Edited(known.oracle, atoms[order] * length[:, None], lambda codes: codes[:, order] / length)
    defined = [name for name in plain if plain[name] is not None]
    np.testing.assert_allclose(*([one[name] for name in defined] for one in (plain, known.metrics(moved))), atol=1e-5)
    sign = torch.ones(48)
    sign[7] = -1
    flipped = known.metrics(Edited(known.oracle, atoms * sign[:, None], lambda codes: codes * sign, signed=True))
    for name in ("mcc", "f1", "coverage", "latent_f1", "probe_f1", "fvu", "mixing"):
        assert flipped[name] == pytest.approx(plain[name], abs=1e-5)
    assert flipped["mcc_signed"] < plain["mcc_signed"] - 1 / 48


def test_absorption_is_told_from_silence(known):
    """Roots silent below a child: absorbed where the child's atom holds the root's direction, else merely silent."""
    forest = known.world.firing.forest
    roots, children = np.flatnonzero(forest.depth == 0), np.flatnonzero(forest.depth == 1)

    def silenced(codes: torch.Tensor) -> torch.Tensor:
        codes = codes.clone()
        for root in roots:
            codes[(codes[:, children[forest.parent[children] == root]] > 0).any(1), root] = 0
        return codes

    spread = known.directions.clone()
    spread[children] += 0.7 * known.directions[forest.parent[children]]
    absorbing, silent = (
        known.scores([Edited(known.oracle, atoms, silenced)], TruthParams(carried=0.02))["0"]
        for atoms in (spread, known.directions)
    )
    for scores, expected in ((absorbing, 1.0), (silent, 0.0)):
        assert column(scores, "features", "parents")[roots].all()
        np.testing.assert_array_equal(column(scores, "features", "absorption")[roots], expected)
        np.testing.assert_array_equal(column(scores, "features", "parent_silent_with_child")[roots], 1.0)
        np.testing.assert_array_equal(column(scores, "features", "parent_silent_alone")[roots], 0.0)
        assert column(scores, "features", "parents")[children].sum() >= 6
        np.testing.assert_array_equal(column(scores, "features", "absorption")[children], 0.0)
    strict = known.scores([Edited(known.oracle, spread, silenced)], TruthParams(carried=0.999))["0"]
    assert column(strict, "features", "absorption")[roots].max() < 0.3


def hedging_world(folder, width: int = 2) -> Known:
    """Parent alone with probability .15, with its child with .15, both of magnitude 1 (protocols.md O7.4)."""
    settings = Preset(
        name="hedging",
        features=2,
        width=width,
        firing=Zipf(highest=0.3, lowest=0.15),
        hierarchy=Hierarchy(roots=1, branching=1, depth=1),
        magnitudes=Magnitudes(mean_first=1, mean_last=1, sd_mean=0, sd_sd=0),
        bias=0,
    )
    return Known(settings, folder, documents=200)


def test_a_single_latent_hedges_as_the_closed_form_says(tmp_path, monkeypatch):
    """One tied unit latent on parent and child: tan 2 theta = 2 p12 / p1; 31.7175 degrees, loss .0573, where equal."""
    monkeypatch.setenv("SAEBENCH_CACHE", str(tmp_path / "cache"))
    known = hedging_world(tmp_path)
    x = torch.from_numpy(known.world.activations(np.arange(60_000)))
    angle = torch.tensor(0.2, requires_grad=True)
    basis = known.directions
    steps = torch.optim.Adam([angle], lr=0.02)
    for _ in range(300):
        atom = angle.cos() * basis[0] + angle.sin() * basis[1]
        loss = (x - (x @ atom).relu()[:, None] * atom).square().sum(1).mean()
        steps.zero_grad()
        loss.backward()
        steps.step()
    both, parent = (known.world.samples(np.arange(60_000)).toarray() > 0).mean(0)[::-1]
    theta = 0.5 * np.arctan2(2 * both, parent - both)
    learnt = angle.item()
    assert learnt == pytest.approx(theta, abs=1e-3)
    assert np.degrees(learnt) == pytest.approx(31.7175, abs=0.6)
    assert loss.item() == pytest.approx(0.0572949, abs=0.002)

    tilted = Edited(known.oracle, atom.detach()[None], lambda codes: codes[:, :1])
    metrics = known.metrics(tilted)
    assert metrics["mixing"] == pytest.approx(np.sin(theta) ** 2, abs=1e-3)
    assert known.metrics(Edited(known.oracle, basis[:1], lambda codes: codes[:, :1]))["mixing"] == pytest.approx(0)


def test_mixing_counts_company_and_not_noise(known):
    partners = known.scores([known.oracle])["0"]
    assert column(partners, "latents", "mixed").sum() >= 20
    draw = torch.Generator().manual_seed(0)
    noisy = known.metrics(Edited(known.oracle, known.directions + 0.12 * torch.randn(48, 24, generator=draw)))
    assert noisy["mixing"] == pytest.approx(noisy["mixing_strangers"], abs=0.03)
    forest = known.world.firing.forest
    tilted = known.directions.clone()
    below = np.flatnonzero(forest.parent >= 0)
    tilted[below] += 0.5 * known.directions[forest.parent[below]]
    mixed = known.metrics(Edited(known.oracle, tilted))
    assert mixed["mixing"] > 0.1 > 2 * mixed["mixing_strangers"]


def test_sae_lens_says_the_same_of_the_same_arrays(known):
    from sae_lens.synthetic.evals import (
        compute_classification_metrics,
        feature_uniqueness,
        mean_correlation_coefficient,
    )

    draw = torch.Generator().manual_seed(3)
    noisy = known.directions[:39] + 0.2 * torch.randn(39, 24, generator=draw)
    cases = (
        Edited(known.oracle, noisy, lambda codes: codes[:, :39] * (codes[:, :39] > 4.5)),
        RandomLinear.draw(24, 64, offset=1.0, seed=5),
        RandomLinear.draw(24, 20, offset=0.5, seed=6),
    )
    truth = torch.from_numpy(known.magnitudes).float()
    x = known.data.block(0, known.rows.n_rows)[torch.from_numpy(known.rows.mask)]
    for dictionary in cases:
        metrics, codes, atoms = known.metrics(dictionary), dictionary.encode(x).dense(), dictionary.atoms
        theirs = compute_classification_metrics(codes, truth, atoms, known.directions)
        assert metrics["latent_f1"] == pytest.approx(theirs.f1_score, abs=1e-6)
        assert metrics["latent_precision"] == pytest.approx(theirs.precision, abs=1e-6)
        assert metrics["latent_recall"] == pytest.approx(theirs.recall, abs=1e-6)
        assert metrics["mcc"] == pytest.approx(mean_correlation_coefficient(atoms, known.directions), abs=1e-6)
        assert metrics["uniqueness"] == pytest.approx(feature_uniqueness(atoms, known.directions))
        assert metrics["l0"] == pytest.approx((codes != 0).sum(1).float().mean().item())
        assert metrics["l0_true"] == pytest.approx((truth != 0).sum(1).float().mean().item())


def test_best_threshold_is_the_best_of_all():
    draw = np.random.default_rng(0)
    for _ in range(50):
        values = draw.integers(1, 6, 12).astype(float)
        positive, hidden = draw.random(12) < 0.4, int(draw.integers(0, 3))
        threshold, value = best_threshold(values, positive, int(positive.sum()) + hidden)
        total = positive.sum() + hidden
        by_hand = [2 * positive[values >= cut].sum() / ((values >= cut).sum() + total) for cut in np.unique(values)]
        assert value == pytest.approx(max(by_hand))
        if value:
            predicted = values >= threshold
            assert 2 * positive[predicted].sum() / (predicted.sum() + total) == pytest.approx(value)
        assert threshold not in values, "no value of the other half lies on the border by accident"


def test_a_probe_finds_the_latent_and_is_scored_on_samples_that_did_not_choose_it():
    draw = np.random.default_rng(1)
    n = 4_000
    on = draw.random((n, 2)) < [0.1, 0.2]
    codes = np.zeros((n, 6))
    codes[:, 0] = on[:, 0] * 2.0 + on[:, 1] * 1.0
    codes[:, 1:5] = draw.random((n, 4)) * (draw.random((n, 4)) < 0.3)
    codes[:, 5] = on[:, 1] * (-1 - draw.random(n))
    chooses = np.arange(n) < n // 2
    f1, counted = probe_f1(sparse.csc_array(codes), sparse.csc_array(on.astype(float)), chooses, 5)
    assert counted.all()
    assert f1 == pytest.approx(1), "one latent with a threshold above the other feature's, and one with a negative code"
    rotten = codes.copy()
    rotten[~chooses] = 0
    f1, _ = probe_f1(sparse.csc_array(rotten), sparse.csc_array(on.astype(float)), chooses, 5)
    assert f1 == pytest.approx(0)


def test_numbers_depend_on_neither_order_nor_blocks_nor_interruption(known):
    dictionaries = [RandomLinear.draw(24, 30, offset=1.0, seed=seed) for seed in range(2)]
    first = known.scores(dictionaries)
    turned = known.scores(dictionaries[::-1])
    small = known.scores(dictionaries, rows_per_block=1)
    journal = Kept()
    known.scores(dictionaries[:1], journal=journal)
    broken = RandomLinear.draw(24, 30, offset=1.0, seed=0)
    broken.encode = None
    resumed = known.scores([broken, dictionaries[1]], journal=journal)
    for name, table in first["0"].tables.items():
        for key, values in table.columns.items():
            np.testing.assert_array_equal(turned["1"].tables[name].columns[key], values)
            np.testing.assert_array_equal(resumed["0"].tables[name].columns[key], values)
            np.testing.assert_allclose(small["0"].tables[name].columns[key], values, rtol=1e-5, atol=1e-9)
    assert resumed["0"].details == first["0"].details


class Kept:
    """A journal in memory."""

    def __init__(self) -> None:
        self.held = None

    def load(self):
        return self.held

    def save(self, blocks_done, arrays) -> None:
        self.held = blocks_done, dict(arrays)


def test_a_failing_subject_leaves_the_others_alone(known):
    scores = known.scores([RuntimeError("broken"), known.oracle])
    assert set(scores) == {"1"}
    assert "broken" in known.failures["0"].message


def test_a_dictionary_without_atoms_has_reasons(known):
    mean = known.scores([MeanOnly(known.data.mean().float())])["0"]
    values = summarise(GroundTruth.card, mean)
    assert values["f1"].value is None
    assert "no atoms" in values["mcc"].undefined
    assert values["fvu"].value == pytest.approx(1, abs=1e-6)
    assert values["probe_f1"].value == 0


def test_every_value_lies_in_its_range(known):
    mean = known.data.mean().float()
    for dictionary in (
        known.oracle,
        Identity(24),
        RandomDictionary(24, 16, 3, 0, mean),
        RandomDictionary(24, 80, 3, 0, mean),
    ):
        scores = known.scores([dictionary])["0"]
        values = summarise(GroundTruth.card, scores)
        assert set(values) == {metric.name for metric in GroundTruth.card.metrics}
        for metric in GroundTruth.card.metrics:
            value = values[metric.name].value
            assert value is None or metric.low is None or value >= metric.low - 1e-9, metric.name
            assert value is None or metric.high is None or value <= metric.high + 1e-9, metric.name


def test_a_world_without_hierarchy_has_no_absorption(tmp_path, monkeypatch):
    monkeypatch.setenv("SAEBENCH_CACHE", str(tmp_path / "cache"))
    known = Known(Preset(name="flat", features=12, width=16, firing=Zipf(highest=0.3, lowest=0.05)), tmp_path, 20)
    values = summarise(GroundTruth.card, known.scores([known.oracle])["0"])
    assert values["absorption"].undefined == "the world has no hierarchy"
    assert values["f1_roots"].undefined.startswith("no feature that begin")
    assert values["f1_outside"].value == 1


def test_a_language_model_is_refused():
    with pytest.raises(UsageError, match="--lm synthetic:small"):
        GroundTruth().data(TruthParams(), tiny_model(), 0)
