"""The hedging rate: closed forms of its formula, a world where a narrow dictionary must hedge, and who has no rate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from known_world import Known
from scipy.special import gammaln
from test_ground_truth import Kept, hedging_world

from saebench.baselines.controls import PermutedDecoder, RandomDictionary
from saebench.baselines.pca import PrincipalComponents
from saebench.dictionaries import ARCHITECTURES
from saebench.dictionaries.autoencoder import SparseAutoencoder
from saebench.dictionaries.blocks.optimiser import OptimiserSpec
from saebench.lm.synthetic.presets import preset
from saebench.tasks.ground_truth.card import HEDGING
from saebench.tasks.ground_truth.hedging import added_to, moved, span
from saebench.tasks.ground_truth.params import TruthParams
from saebench.tasks.ground_truth.task import GroundTruth
from saebench.tasks.summary import summarise
from saebench.training import train

SHORT = TruthParams(hedging_steps=6, hedging_latents=4)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    folder = tmp_path_factory.mktemp("known")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAEBENCH_CACHE", str(folder / "cache"))
        yield Known(preset("synthetic:tiny"), folder, documents=20)


def trained(known, name: str = "topk", **options) -> SparseAutoencoder:
    x = known.fit.take(np.flatnonzero(known.fit.mask))
    return train(name, x, d_dict=32, steps=20, batch_size=256, **options)


def rows(count: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, width))


def test_what_moves_into_new_atoms_is_told_from_what_moves_elsewhere():
    """Atoms e_0 .. e_4 in 12 dimensions turn by an angle towards a new atom, or towards what no new atom holds."""
    old, new = np.eye(12)[:5], np.eye(12)[10:]
    angle = 0.3
    length = 2 * np.sin(angle / 2)
    for towards, inside in ((10, np.sin(angle)), (7, 0.0)):
        turned = np.cos(angle) * old + np.sin(angle) * np.eye(12)[towards]
        one = moved(old, np.concatenate([turned, new]), 0)
        np.testing.assert_allclose(one.length, length)
        np.testing.assert_allclose(one.projected, inside, atol=1e-12)
        assert one.rank == 2


def test_lengths_of_atoms_and_of_new_ones_do_not_matter_and_twins_span_no_more():
    old, after, new = rows(20, 16, 0), rows(20, 16, 1), rows(3, 16, 2)
    plain = moved(old, np.concatenate([after, new]), 0)
    scale = np.random.default_rng(3).uniform(0.1, 10, (20, 1))
    scaled = moved(old * scale, np.concatenate([after / scale, new * 7]), 0)
    for name in ("projected", "random", "norm", "length"):
        np.testing.assert_allclose(getattr(scaled, name), getattr(plain, name))
    assert plain.norm == pytest.approx(1)
    twins = moved(old, np.concatenate([after, new, new[:2]]), 0)
    np.testing.assert_allclose(twins.projected, plain.projected)
    assert (plain.rank, twins.rank) == (3, 3)
    assert twins.random.mean() > plain.random.mean(), "the null has as many directions as there are new latents"


def test_chance_has_rate_zero():
    """Deltas that know nothing of the new atoms: p is b, whatever N is.

    The part of a unit vector in N random of d dimensions has the square root of a Beta(N / 2, (d - N) / 2) for length.
    """
    for count in (2, 8, 14):
        one = moved(rows(3000, 16, 0), np.concatenate([rows(3000, 16, 1), rows(count, 16, count)]), 0)
        part = np.exp(gammaln((count + 1) / 2) - gammaln(count / 2) + gammaln(8) - gammaln(8.5))
        assert one.random.mean() == pytest.approx(part * one.length.mean(), rel=0.005)
        assert one.projected.mean() == pytest.approx(one.random.mean(), rel=0.03)


def test_the_span_is_that_of_the_pseudo_inverse():
    for held in (rows(3, 9, 0), np.repeat(rows(2, 9, 1), 3, 0), np.zeros((2, 9)), 1e-9 * rows(4, 9, 2)):
        basis = span(held)
        np.testing.assert_allclose(basis @ basis.T, np.linalg.pinv(held) @ held, atol=1e-12)
        assert basis.shape[1] == np.linalg.matrix_rank(held)


def test_random_directions_depend_on_seed_and_shape_alone():
    old, extended = rows(6, 10, 0), rows(8, 10, 1)
    one = moved(old, extended, 0)
    assert np.array_equal(moved(old, extended, 0).random, one.random)
    assert not np.array_equal(moved(old, extended, 1).random, one.random)
    part = moved(old[:3], np.concatenate([extended[:3], extended[6:]]), 0)
    np.testing.assert_allclose(part.random, one.random[:3])


def test_new_latents_span_an_eighth_of_a_small_site():
    assert [added_to(width) for width in (2304, 768, 512, 128, 24, 4)] == [64, 64, 64, 16, 3, 1]


def planted(atoms: torch.Tensor) -> SparseAutoencoder:
    """A tied dictionary with room for one active latent a sample on average, more than the .45 that there are."""
    composition = replace(ARCHITECTURES.get("batchtopk")(k=1), optimiser=OptimiserSpec(lr=2e-3))
    made = SparseAutoencoder(composition, atoms.shape[1], len(atoms))
    with torch.no_grad():
        for rows in (made.W_dec, made.W_enc):
            rows.copy_(atoms)
        made.threshold.fill_(0.05)
    return made


def test_one_latent_for_two_features_that_fire_together_hedges_and_two_need_not(tmp_path, monkeypatch):
    """One latent lies at 31.7175 degrees between parent and child (protocols.md O7.4): its best place, which it leaves
    once there is room. Two latents on the two features are there already; what they move, new latents push them."""
    monkeypatch.setenv("SAEBENCH_CACHE", str(tmp_path / "cache"))
    known = hedging_world(tmp_path, width=32)
    theta = np.radians(31.7175)
    narrow = planted(np.cos(theta) * known.directions[:1] + np.sin(theta) * known.directions[1:])
    wide = planted(known.directions)
    params = TruthParams(hedging_steps=100, hedging_latents=4)
    rates = {name: [] for name in ("narrow", "wide")}
    for seed in range(3):
        scores = known.scores([narrow, wide], params, seed=seed)
        for place, name in enumerate(rates):
            rates[name].append(summarise(GroundTruth.card, scores[str(place)])["hedging_rate"].value)
            of = scores[str(place)].details["hedging"]
            assert of["fvu"]["extended"] < 0.02
            if name == "narrow":
                assert of["fvu"]["control"] == pytest.approx(0.167, abs=0.01), "room alone explains more"
    assert min(rates["narrow"]) > max(rates["wide"])
    assert np.mean(rates["narrow"]) > 3 * np.mean(rates["wide"])


def test_the_metrics_are_the_formula(known):
    scores = known.scores([trained(known, k=3)], SHORT)["0"]
    values = summarise(GroundTruth.card, scores)
    of = scores.details["hedging"]
    p, b, rate = (values[name].value for name in ("hedging_projection", "hedging_null", "hedging_rate"))
    assert (p, b) == (pytest.approx(of["p"]), pytest.approx(of["b"]))
    assert rate == pytest.approx((p - b) / (1 - b))
    assert of["clipped"] == pytest.approx(max(0.0, rate))
    assert values["hedging_rate"].low < rate < values["hedging_rate"].high
    assert (of["steps"], of["new_latents"], of["rank"]) == (6, 4, 4)
    assert 0 < of["new_latents_alive"] <= 1
    assert 0 < p <= of["mean_delta"]


def test_who_has_no_rate_has_a_reason(known):
    mean = known.data.mean().float()
    dictionary = trained(known, k=3)
    made = [
        known.oracle,
        RandomDictionary(24, 32, 3, 0, mean),
        PermutedDecoder(dictionary, 0),
        PrincipalComponents.fit(known.fit.mean(), known.fit.covariance(), 3),
    ]
    for scores in known.scores(made, SHORT).values():
        assert all("is not trained by gradient steps" in scores.undefined[name] for name in HEDGING)
    for params, reason in (
        (TruthParams(hedging_steps=0), "hedging_steps is 0"),
        (TruthParams(hedging_steps=5, hedging_latents=24), "24 new latents span all 24 dimensions"),
    ):
        scores = known.scores([dictionary], params)["0"]
        assert {scores.undefined[name] for name in HEDGING} == {
            next(text for text in scores.undefined.values() if text.startswith(reason))
        }
        assert "hedging" not in scores.details


def test_a_training_that_breaks_down_costs_the_rate_alone(known):
    wild = trained(known, k=3)
    wild.training_config["optimiser"]["lr"] = 1e30
    wild.training_config["optimiser"]["lr_width"] = None
    scores = known.scores([wild], SHORT)["0"]
    assert "not finite" in scores.undefined["hedging_rate"]
    assert summarise(GroundTruth.card, scores)["f1"].value is not None


def test_rates_depend_on_neither_order_nor_blocks_nor_interruption(known):
    dictionaries = [trained(known, k=3), trained(known, "batchtopk", k=3, train_seed=1)]
    columns = [f"hedging_{name}" for name in ("projected", "random", "norm")]

    def of(scores, place: str) -> np.ndarray:
        return np.array([scores[place].tables["latents"].columns[name] for name in columns])

    first = known.scores(dictionaries, SHORT)
    turned = known.scores(dictionaries[::-1], SHORT, rows_per_block=1)
    journal = Kept()
    known.scores(dictionaries[:1], SHORT, journal=journal)
    broken = trained(known, k=3)
    broken.encode = None
    resumed = known.scores([broken, dictionaries[1]], SHORT, journal=journal)
    for place in ("0", "1"):
        assert np.array_equal(of(first, place), of(turned, str(1 - int(place))))
        assert np.array_equal(of(first, place), of(resumed, place))
        assert first[place].details == resumed[place].details
    assert not np.array_equal(of(first, "0"), of(known.scores(dictionaries[:1], SHORT, seed=1), "0"))
