"""ITDA: the greedy rule against a plain reading of it, labels, the search for tau, and what the stream costs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from saebench.activations.sets import ActivationSet
from saebench.baselines import itda as module
from saebench.baselines.itda import Grower, ItdaRecipe
from saebench.baselines.pursuit import Pursuit, pursue
from saebench.baselines.recipe import Ground
from saebench.dictionaries.labels import atom_labels
from saebench.errors import DataError
from saebench.matching.jaccard import jaccard

D, ROWS, CONTEXT = 12, 20, 16


def activations(seed: int = 0, scale: float = 1.0) -> ActivationSet:
    """Sums of a few of 30 directions; the first place of a row is masked, a document is three rows long."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(30, D, generator=generator)
    amounts = torch.rand(ROWS * CONTEXT, 30, generator=generator) * (
        torch.rand(ROWS * CONTEXT, 30, generator=generator) < 0.1
    )
    x = (amounts @ directions + 0.05 * torch.randn(ROWS * CONTEXT, D, generator=generator)) * scale
    mask = torch.ones(ROWS, CONTEXT, dtype=torch.bool)
    mask[:, 0] = False
    documents = (torch.arange(ROWS) // 3)[:, None].expand(ROWS, CONTEXT)
    return ActivationSet.from_tensor(x.view(ROWS, CONTEXT, D), mask, documents)


def plainly(x: torch.Tensor, tau: float, pursuit: Pursuit) -> list[int]:
    """The rule, word by word: one token after the other."""
    atoms, entered = torch.zeros(0, x.shape[1]), []
    for place, row in enumerate(x):
        unit = row / row.norm()
        code = pursue(unit[None], atoms, pursuit) if len(atoms) else None
        left = float((unit - code.project(atoms)[0]).square().sum()) if code is not None else 1.0
        if left > tau:
            atoms = torch.cat([atoms, unit[None]])
            entered.append(place)
    return entered


def ordered(data: ActivationSet) -> torch.Tensor:
    return data.take(np.flatnonzero(data.mask))


@pytest.mark.parametrize(("sign", "refit"), [("positive", "none"), ("signed", "lstsq"), ("positive", "nnls")])
@pytest.mark.parametrize("tau", [0.1, 0.4])
def test_who_enters_is_what_the_rule_says_whatever_the_batches(sign, refit, tau):
    x, pursuit = ordered(activations()), Pursuit(3, sign, refit)
    expected = plainly(x, tau, pursuit)
    assert 5 < len(expected) < len(x) / 2
    for size in (1, 37, len(x)):
        grower = Grower(D, pursuit, tau)
        for at in range(0, len(x), size):
            grower.feed(x[at : at + size], np.arange(at, min(at + size, len(x))))
        assert grower.places == expected, size
        assert grower.seen == len(x)
        torch.testing.assert_close(grower.atoms, x[expected] / x[expected].norm(dim=1, keepdim=True))


def test_a_second_copy_of_an_atom_never_enters_and_a_zero_never_does():
    x = ordered(activations())
    grower = Grower(D, Pursuit(3), 0.1)
    grower.feed(x, np.arange(len(x)))
    before = list(grower.places)
    again = torch.cat([torch.zeros(3, D), 5 * x[before]])
    grower.feed(again, np.arange(len(again)))
    assert grower.places == before == plainly(x, 0.1, Pursuit(3))


def test_atoms_are_the_activations_that_their_labels_name():
    data = activations()
    made = ItdaRecipe(l0=3, tau=0.2).fit(Ground(data))
    labels = atom_labels(made)
    assert labels is not None
    assert len(set(labels)) == made.d_dict
    names = list(data.rows.document_hashes)
    for atom, (document, token) in zip(made.atoms, labels, strict=True):
        row, place = divmod(names.index(document) * 3 * CONTEXT + token, CONTEXT)
        x = data.block(row, row + 1)[0, place]
        assert bool(data.mask[row, place])
        torch.testing.assert_close(atom, x / x.norm())


def test_scale_does_not_matter():
    one, other = (ItdaRecipe(l0=3, tau=0.2).fit(Ground(activations(scale=scale))) for scale in (1.0, 1000.0))
    assert atom_labels(one) == atom_labels(other)


def test_a_smaller_tau_makes_a_larger_dictionary():
    sizes = [ItdaRecipe(l0=3, tau=tau).fit(Ground(activations())).d_dict for tau in (0.05, 0.2, 0.5)]
    assert sizes == sorted(set(sizes), reverse=True)


@pytest.mark.parametrize("wanted", [10, 25, 60])
def test_a_wanted_size_is_met_late_in_the_stream(wanted):
    made = ItdaRecipe(l0=3, d_dict=wanted).fit(Ground(activations()))
    fit = made.provenance.extra["fit"]
    assert made.d_dict == wanted
    assert fit["filled"]
    assert made.provenance.tokens >= module.ENOUGH * ROWS * (CONTEXT - 1)
    again = ItdaRecipe(l0=3, tau=fit["tau"], d_dict=wanted).fit(Ground(activations()))
    assert atom_labels(again) == atom_labels(made)
    assert ItdaRecipe(l0=3, tau=fit["tau"]).fit(Ground(activations())).d_dict >= wanted


def test_a_size_that_the_stream_cannot_fill_is_as_large_as_it_gets():
    x = torch.eye(D).repeat(5, 1)
    made = ItdaRecipe(l0=2, d_dict=40).fit(Ground(ActivationSet.from_tensor(x)))
    assert made.d_dict == D
    assert not made.provenance.extra["fit"]["filled"]


def test_a_random_start_holds_l0_activations_and_goes_on():
    first, other = (ItdaRecipe(l0=4, tau=0.2, start="random", seed=seed).fit(Ground(activations())) for seed in (0, 1))
    assert atom_labels(first)[:4] != atom_labels(other)[:4]
    assert len(set(atom_labels(first))) == first.d_dict > 4
    assert first.provenance.train_seed == 0


def test_centred_activations_are_coded_about_their_mean():
    data = activations()
    made = ItdaRecipe(l0=3, tau=0.2, centre="yes").fit(Ground(data))
    torch.testing.assert_close(made.origin, data.mean().float())
    zero = made.encode(data.mean().float()[None])
    assert float(zero.l0()) == 0


def test_two_dictionaries_of_the_same_texts_have_a_jaccard_similarity():
    data = activations()
    rotation = torch.linalg.qr(torch.randn(D, D, generator=torch.Generator().manual_seed(3)))[0]
    turned = ActivationSet.from_tensor(
        data.block(0, ROWS) @ rotation, torch.from_numpy(data.mask), torch.from_numpy(data.documents)
    )
    other = activations(seed=5)
    labels = [set(atom_labels(ItdaRecipe(l0=3, d_dict=30).fit(Ground(one)))) for one in (data, turned, other)]
    assert jaccard(labels[0], labels[1]) == 1.0, "the rule sees inner products alone"
    assert jaccard(labels[0], labels[2]) < 0.5


def test_only_zeros_make_no_dictionary():
    with pytest.raises(DataError, match="all are zero"):
        ItdaRecipe(l0=2, tau=0.1).fit(Ground(ActivationSet.from_tensor(torch.zeros(8, 4))))


def test_codings_are_linear_in_the_stream_once_the_dictionary_stands():
    """What a dictionary of fixed size costs: one coding a token. While it grows, each insertion costs a run again."""
    basis = torch.eye(D)
    grower = Grower(D, Pursuit(D), 0.01)
    grower.feed(basis, np.arange(D))
    assert grower.count == D
    for tokens in (1000, 10_000, 20_000):
        before = grower.coded
        grower.feed(torch.randn(tokens, D, generator=torch.Generator().manual_seed(0)).abs(), np.arange(tokens))
        assert grower.count == D
        assert grower.coded - before == tokens
    x = ordered(activations())
    growing = Grower(D, Pursuit(3), 0.2)
    growing.feed(x, np.arange(len(x)))
    assert growing.coded < 4 * len(x)
