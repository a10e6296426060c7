"""Truths about token means: latents taken out in closed form are taken out, and masked positions are not there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from saebench.activations.sets import ActivationSet
from saebench.baselines.controls import Identity, MeanOnly, PermutedDecoder, RandomDictionary
from saebench.dictionaries.codes import Codes, DenseCodes
from saebench.dictionaries.contract import Context, Traits
from saebench.dictionaries.fakes import RandomLinear
from saebench.errors import DataError, SubjectFailed
from saebench.token_means.latents import like_frequent, probe_gains, removed, strongest, unfit_reason
from saebench.token_means.means import activation_means, code_means
from saebench.token_means.probes import STRENGTHS, fit_probe

TEXTS, T, D = 40, 9, 12


@pytest.fixture
def mask() -> torch.Tensor:
    lengths = torch.randint(1, T, (TEXTS,), generator=torch.Generator().manual_seed(3))
    kept = torch.arange(T)[None] <= lengths[:, None]
    kept[:, 0] = False
    kept[7, 1:3] = torch.tensor([False, True])
    return kept


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(TEXTS, T, D, generator=torch.Generator().manual_seed(4)) + 0.5


def dictionaries():
    linear = RandomLinear.draw(D, 30, offset=0.3, seed=1)
    linear.rows = linear.rows * torch.linspace(0.2, 3, 30)[:, None]
    return {
        "atoms of any length": linear,
        "dense and signed": Identity(D),
        "with an offset": RandomDictionary(D, 40, 3, 0, torch.ones(D)),
        "permuted": PermutedDecoder(linear, 5),
    }


@pytest.mark.parametrize("name", list(dictionaries()))
def test_the_closed_form_is_brute_force_ablation(name, x, mask):
    """Decode without the latents, put the reconstruction error back, take the mean over unmasked tokens."""
    dictionary = dictionaries()[name]
    data = ActivationSet.from_tensor(x, mask)
    generator = np.random.default_rng(0)
    probes, latents = generator.normal(size=(3, D)), generator.permutation(dictionary.d_dict)[:10]
    codes = code_means(dictionary, data, 1, "cpu", torch.float32)
    clean = activation_means(data, 1, "cpu") @ probes.T
    closed = clean - removed(sparse.csc_array(codes.means), latents, probe_gains(dictionary, probes), (2, 5, 10))
    for place, n in enumerate((2, 5, 10)):
        for text in range(TEXTS):
            tokens = x[text][mask[text]]
            found = dictionary.encode(tokens)
            error = tokens - dictionary.decode(found)
            ablated = dictionary.decode(found.ablate(torch.from_numpy(latents[:n]))) + error
            brute = probes @ ablated.double().mean(0).numpy()
            assert closed[place, text] == pytest.approx(brute, rel=1e-5, abs=1e-5)
    assert np.abs(closed[0] - clean).max() > 0.01


def test_masked_positions_are_in_nothing(x, mask):
    dictionary = RandomLinear.draw(D, 30, offset=0.3)
    dirty = torch.where(mask[..., None], x, torch.full_like(x, 1e4))
    short, long = (ActivationSet.from_tensor(values, mask) for values in (x, dirty))
    padded = ActivationSet.from_tensor(
        torch.cat([dirty, torch.full((TEXTS, 4, D), -1e4)], 1), torch.cat([mask, torch.zeros(TEXTS, 4).bool()], 1)
    )
    first = code_means(dictionary, short, 1, "cpu", torch.float32)
    for other in (long, padded):
        again = code_means(dictionary, other, 1, "cpu", torch.float32)
        assert (again.means != first.means).nnz == 0
        assert (again.density == first.density).all()
        assert again.tokens == int(mask.sum())
        assert (activation_means(other, 1, "cpu") == activation_means(short, 1, "cpu")).all()


def test_density_counts_tokens(x, mask):
    dictionary = RandomLinear.draw(D, 30, offset=0.3)
    codes = code_means(dictionary, ActivationSet.from_tensor(x, mask), 1, "cpu", torch.float32)
    assert codes.density == pytest.approx((dictionary.encode(x[mask]).dense() != 0).double().mean(0).numpy())


def test_another_batch_size_changes_nothing_but_rounding(x, mask):
    data = ActivationSet.from_tensor(x, mask)
    dictionary = dictionaries()["with an offset"]
    one, other = (code_means(dictionary, data, rows, "cpu", torch.float32).means.toarray() for rows in (1, 2))
    assert one == pytest.approx(other, rel=1e-5, abs=1e-7)


class Sequences(RandomLinear):
    """Adds to each code that of the token before it, if that counts: wrong as soon as the mask is not respected."""

    def encode(self, x: torch.Tensor, context: Context | None = None) -> Codes:
        assert context is not None
        assert x.ndim == 3
        seen = x * context.mask[..., None]
        before = torch.cat([torch.zeros_like(seen[:, :1]), seen[:, :-1]], 1)
        return super().encode((x + before).flatten(0, 1))


def test_readers_of_sequences_get_whole_texts_with_their_mask(x, mask):
    dictionary = Sequences(RandomLinear.draw(D, 30).rows, 0.3)
    dictionary.traits = Traits(sequence_coupled=True)
    codes = code_means(dictionary, ActivationSet.from_tensor(x, mask), 1, "cpu", torch.float32)
    text = x[11] * mask[11][:, None]
    summed = x[11].clone()
    summed[1:] += text[:-1]
    expected = RandomLinear(dictionary.rows, dictionary.offset).encode(summed[mask[11]]).dense().double().mean(0)
    assert codes.means.toarray()[11] == pytest.approx(expected.numpy(), abs=1e-6)


@dataclass(eq=False)
class Broken(RandomLinear):
    """Gives NaN on one token."""

    def encode(self, x: torch.Tensor, context: Context | None = None) -> Codes:
        values = (x @ self.rows.T).clone()
        values[0, 0] = torch.nan
        return DenseCodes(values)


def test_codes_that_are_not_finite_are_the_subjects_failure(x, mask):
    broken = Broken(RandomLinear.draw(D, 30).rows)
    with pytest.raises(SubjectFailed, match="NaN"):
        code_means(broken, ActivationSet.from_tensor(x, mask), 1, "cpu", torch.float32)


def test_a_text_without_a_token_that_counts_is_named(x, mask):
    mask[5] = False
    with pytest.raises(DataError, match="1 texts have no token that counts, the first is 5"):
        activation_means(ActivationSet.from_tensor(x, mask), 1, "cpu")


def test_only_affine_decoders_with_atoms_are_served():
    assert unfit_reason(Identity(3)) is None
    assert "not affine" in (unfit_reason(MeanOnly(torch.zeros(3))) or "")


def test_strongest_latents_by_falling_effect_without_those_of_none():
    effects = np.array([0.0, 2.0, -1.0, 3.0, 0.0, 2.0])
    assert strongest(effects, 2).tolist() == [3, 1]
    assert strongest(effects, 6).tolist() == [3, 1, 5]


def test_where_fewer_latents_have_an_effect_all_of_them_go():
    codes = sparse.csc_array(np.arange(12.0).reshape(3, 4))
    gains = np.array([[1.0], [10.0], [100.0], [1000.0]])
    loss = removed(codes, np.array([2, 0]), gains, (1, 5))
    assert loss[..., 0].tolist() == [[200.0, 600.0, 1000.0], [200.0, 604.0, 1008.0]]


def test_control_latents_fire_as_often_and_are_others():
    density = np.linspace(0, 1, 200)[np.random.default_rng(0).permutation(200)]
    latents = np.random.default_rng(1).permutation(200)[:40]
    drawn = like_frequent(density, latents, "a")
    assert len(set(drawn.tolist())) == 40
    assert (drawn != latents).all()
    assert np.abs(density[drawn] - density[latents]).max() < 20 / 199
    assert (drawn == like_frequent(density, latents, "a")).all()
    assert (drawn[:7] == like_frequent(density, latents[:7], "a")).all()
    assert (drawn != like_frequent(density, latents, "b")).any()


def test_control_latents_are_there_for_small_dictionaries_too():
    assert len(set(like_frequent(np.full(5, 0.1), np.arange(5), "a").tolist())) == 5


def test_a_probe_is_a_logistic_regression_in_raw_units_chosen_on_validation_texts():
    generator = np.random.default_rng(0)
    y = np.arange(120) % 2 == 1
    means = generator.normal(size=(120, 6)) * 50 + 300
    means[y, 0] += 60
    train, validation = np.arange(60), np.arange(60, 90)
    probe = fit_probe(means, train, y[train], validation, y[validation])
    centre, scale = means[train].mean(0), np.sqrt(means[train].var(0).mean())
    best = 0.0
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=1000).fit((means[train] - centre) / scale, y[train])
        accuracy = model.score((means[validation] - centre) / scale, y[validation])
        if accuracy > best:
            best, chosen, theirs = accuracy, strength, model.decision_function((means - centre) / scale)
    assert (probe.validation, probe.strength) == (pytest.approx(best), chosen)
    assert probe.scores(means) == pytest.approx(theirs, rel=1e-9, abs=1e-9)
    # The other texts decide nothing.
    means[90:] = 0
    again = fit_probe(means, train, y[train], validation, y[validation])
    assert (again.weights == probe.weights).all()
