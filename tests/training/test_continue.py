"""A finished dictionary that is trained on: what it keeps, what new latents change, and which have no training."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache

import pytest
import torch

from saebench.baselines.controls import Identity
from saebench.dictionaries import ARCHITECTURES
from saebench.dictionaries.autoencoder import SparseAutoencoder
from saebench.dictionaries.blocks.composition import Composition
from saebench.dictionaries.blocks.controllers import L0Target
from saebench.dictionaries.blocks.rules import GroupMax
from saebench.dictionaries.blocks.sparsifier import Sparsifier
from saebench.dictionaries.checkpoints import load, save
from saebench.dictionaries.folds import as_jumprelu
from saebench.errors import UsageError
from saebench.training import Member, TensorBatches, TrainSettings, continue_training, train, train_panel
from saebench.training.continuing import begin_again, composition_of

CONSTANT = TrainSettings(steps=40, warm_up=0, decay=0)
SETTINGS = {"topk": {"k": 6}, "batchtopk": {"k": 6}, "matryoshka_batchtopk": {"k": 6}}


def made(toy, name: str = "topk", **settings) -> SparseAutoencoder:
    return copy.deepcopy(trained(toy, name, **settings))


@cache
def trained(toy, name: str, *, steps: int = 60, width: int = 64, **options) -> SparseAutoencoder:
    composition = ARCHITECTURES.get(name)(**{**SETTINGS.get(name, {}), **options})
    composition = replace(composition, optimiser=replace(composition.optimiser, lr=3e-3, lr_width=None))
    return train(composition, toy.activations(4096, 0), d_dict=width, steps=steps, batch_size=256)


def batches(toy) -> TensorBatches:
    return TensorBatches(toy.activations(4096, 7), 256, seed=3)


def first(toy) -> list[torch.Tensor]:
    source = batches(toy)
    return [next(source) for _ in range(8)]


def same(a, b) -> bool:
    ours, theirs = a.tensors(), b.tensors()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("name", ARCHITECTURES.names())
def test_before_the_first_step_it_is_the_dictionary_itself(toy, tmp_path, name):
    """Rows bit for bit; biases and thresholds, which are scaled and scaled back, to a rounding."""
    dictionary = made(toy, name)
    x = toy.held_out(512)
    for source in (dictionary, load(save(dictionary, tmp_path))):
        again = begin_again(source, first(toy), CONSTANT).finish()
        for key, tensor in dictionary.tensors().items():
            exact = key in ("W_enc", "W_dec", "r_mag")
            torch.testing.assert_close(again.tensors()[key], tensor, rtol=0 if exact else 3e-7, atol=0)
        torch.testing.assert_close(again(x), dictionary(x), rtol=1e-4, atol=1e-4)
        assert again.recipe() == dictionary.recipe()


@pytest.mark.parametrize("name", ARCHITECTURES.names())
def test_new_latents_change_nothing_where_they_are_silent(toy, name):
    dictionary = made(toy, name)
    wide = begin_again(dictionary, first(toy), CONSTANT, added=2, seed=5).finish()
    for key in ("W_enc", "W_dec"):
        old, new = dictionary.weights()[key], wide.weights()[key]
        assert torch.equal(new[:64], old)
        assert bool((new[64:].norm(dim=1) > 0).all())
    x = toy.held_out(2048)
    silent = (wide.encode(x).dense()[:, 64:] == 0).all(1)
    assert 200 < silent.sum() < 2048
    torch.testing.assert_close(wide(x[silent]), dictionary(x[silent]), rtol=1e-4, atol=1e-4)


def test_new_latents_start_as_the_init_has_it(toy):
    april = made(toy, "relu_april")
    wide = begin_again(april, first(toy), CONSTANT, added=16).finish()
    torch.testing.assert_close(wide.atoms[64:].norm(dim=1), torch.full((16,), 0.1))
    torch.testing.assert_close(wide.encoder_rows[64:], wide.atoms[64:])
    assert bool((wide.weights()["b_enc"][64:] == 0).all())


def test_training_on_goes_on_explaining(toy, unexplained):
    """64 directions: half as many latents explain less than new ones beside them do."""
    dictionary = made(toy, width=32)
    before = {name: tensor.clone() for name, tensor in dictionary.tensors().items()}
    x = toy.held_out()
    longer = replace(CONSTANT, steps=200)
    control = continue_training(dictionary, batches(toy), longer)
    wide = continue_training(dictionary, batches(toy), longer, added=32)
    assert unexplained(dictionary, x) > unexplained(control, x) > unexplained(wide, x)
    assert (control.d_dict, wide.d_dict) == (32, 64)
    assert all(torch.equal(tensor, before[name]) for name, tensor in dictionary.tensors().items())
    assert control.provenance.parents == (dictionary.fingerprint(),)
    assert control.provenance.tokens == dictionary.provenance.tokens + 200 * 256


def test_a_training_that_goes_on_depends_on_its_seed_and_batches_alone(toy, tmp_path):
    dictionary = made(toy, "batchtopk")
    torch.manual_seed(1)
    one = continue_training(dictionary, batches(toy), CONSTANT, added=8, seed=2)
    torch.manual_seed(9)
    assert same(one, continue_training(load(save(dictionary, tmp_path)), batches(toy), CONSTANT, added=8, seed=2))
    assert not same(one, continue_training(dictionary, batches(toy), CONSTANT, added=8, seed=3))
    twice = continue_training(one, batches(toy), CONSTANT)
    assert twice.d_dict == 72
    assert twice.provenance.parents[-1] == one.fingerprint()


def test_coefficients_stay_where_training_left_them(toy):
    """L0 was steered to 6 with a coefficient that is not the composition's; it holds without being steered."""
    dictionary = made(toy, "relu", steps=400, width=96, l0=6)
    found = dictionary.provenance.extra["training"]["coefficients"]["l1"]
    blocks = composition_of(dictionary)
    assert blocks.regularisers[0].coefficient == found != 0.03
    assert blocks.controllers == ()
    control = continue_training(dictionary, batches(toy), CONSTANT)
    assert float(control.encode(toy.held_out()).l0().mean()) == pytest.approx(6, rel=0.25)
    annealed = composition_of(made(toy, "p_anneal"))
    assert annealed.regularisers[0].p == pytest.approx(0.2)
    assert [item.kind for item in composition_of(made(toy, "batchtopk")).controllers] == ["threshold_average"]


def test_the_rate_is_that_of_the_width_it_was_trained_at(toy):
    topk = train_panel([Member("m", ARCHITECTURES.get("topk")(k=6), 64)], toy.batches(), TrainSettings(steps=2))["m"]
    for added in (0, 64):
        run = begin_again(topk, first(toy), CONSTANT, added=added)
        assert run.updater.rate == pytest.approx(2e-4 * (2**14 / 64) ** 0.5)
        assert CONSTANT.lr_factor(0) == CONSTANT.lr_factor(39) == 1


def test_inner_prefixes_end_where_they_ended(toy):
    nested = made(toy, "matryoshka_batchtopk")
    assert composition_of(nested).objective.prefixes(64, None) == (4, 8, 16, 32, 64)
    assert composition_of(nested, 16).objective.prefixes(80, None) == (4, 8, 16, 32, 80)


def unsteered(dictionary: SparseAutoencoder) -> SparseAutoencoder:
    dictionary.provenance = replace(dictionary.provenance, extra={})
    return dictionary


def test_what_cannot_go_on_says_why(toy):
    topk = made(toy, steps=2)
    foreign = topk.rewritten(topk.composition, topk.weights())
    foreign.training_config = None
    grouped = SparseAutoencoder(Composition("grouped", sparsifier=Sparsifier(rule=GroupMax(4))), 32, 64)
    for one, added, reason in (
        (Identity(32), 0, "Identity is not trained by gradient steps"),
        (foreign, 0, "does not say how it was trained"),
        (as_jumprelu(made(toy, "gated", steps=2)), 0, "rewritten after its training"),
        (grouped, 4, "groups latents by their places"),
        (unsteered(made(toy, "relu", steps=2, l0=6)), 0, "steered in training"),
    ):
        with pytest.raises(UsageError, match=reason):
            continue_training(one, batches(toy), CONSTANT, added=added)
    assert composition_of(grouped).sparsifier.rule.k == 4
    steered = composition_of(made(toy, "relu", steps=2, l0=6))
    assert not any(isinstance(item, L0Target) for item in steered.controllers)
