import math
from dataclasses import replace

import pytest
import torch
from dictionary_cases import WIDTH, catalogue, inputs, model

from saebench.dictionaries.blocks.constraint import Free
from saebench.dictionaries.blocks.rules import RowTopK
from saebench.dictionaries.blocks.sparsifier import NormScore, Sparsifier
from saebench.dictionaries.folds import as_jumprelu, fold_decoder_norms, fold_thresholds
from saebench.errors import CompositionError


@pytest.mark.parametrize("name", ["relu", "relu_april", "gated", "jumprelu", "batchtopk", "p_anneal"])
def test_rules_on_single_latents_have_a_jumprelu_form_with_the_same_codes(name: str) -> None:
    dictionary, x = model(catalogue(name), scale=1.3), inputs(300)
    form = as_jumprelu(dictionary)
    assert form.composition.sparsifier.rule.kind == "latent_threshold"
    assert form.threshold.shape == (WIDTH,)
    with torch.no_grad():
        torch.testing.assert_close(form.encode(x).dense(), dictionary.encode(x).dense(), rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(form(x), dictionary(x), rtol=1e-10, atol=1e-10)


def test_the_gated_form_has_the_derived_thresholds() -> None:
    dictionary = model(catalogue("gated"))
    ours, form = dictionary.weights(), as_jumprelu(dictionary)
    expected = ours["b_mag"] - ours["r_mag"].exp() * ours["b_gate"]
    torch.testing.assert_close(form.threshold, expected)


def test_budgets_have_no_jumprelu_form() -> None:
    with pytest.raises(CompositionError, match="row_topk"):
        as_jumprelu(model(catalogue("topk", k=4)))


@pytest.mark.parametrize("name", ["relu", "relu_april", "gated", "jumprelu", "batchtopk"])
def test_folding_decoder_norms_gives_unit_atoms_and_the_same_reconstruction(name: str) -> None:
    composition = catalogue(name)
    dictionary, x = model(composition, scale=0.9), inputs(300)
    with torch.no_grad():
        dictionary.W_dec.mul_(torch.linspace(0.1, 3, WIDTH).double().unsqueeze(1))
    folded = fold_decoder_norms(dictionary)
    torch.testing.assert_close(folded.W_dec.norm(dim=1), torch.ones(WIDTH, dtype=torch.float64))
    with torch.no_grad():
        torch.testing.assert_close(folded(x), dictionary(x), rtol=1e-10, atol=1e-10)
        assert torch.equal(folded.encode(x).l0(), dictionary.encode(x).l0())


def test_folding_norms_into_a_budget_is_refused_unless_selection_used_them() -> None:
    plain = replace(catalogue("topk", k=4), constraint=Free())
    dictionary = model(plain)
    with pytest.raises(CompositionError, match="would choose others"):
        fold_decoder_norms(dictionary)
    by_norm = replace(plain, sparsifier=Sparsifier(NormScore(), RowTopK(4)))
    dictionary, x = model(by_norm), inputs(300)
    folded = fold_decoder_norms(dictionary)
    assert folded.composition.sparsifier.score.kind == "z"
    with torch.no_grad():
        torch.testing.assert_close(folded(x), dictionary(x), rtol=1e-10, atol=1e-10)


def test_folding_a_norm_score_keeps_thresholds_because_they_are_in_its_units() -> None:
    batch = catalogue("batchtopk", k=4)
    dictionary, x = model(replace(batch, sparsifier=replace(batch.sparsifier, score=NormScore()))), inputs(300)
    with torch.no_grad():
        dictionary.W_dec.mul_(torch.linspace(0.1, 3, WIDTH).double().unsqueeze(1))
        torch.testing.assert_close(fold_decoder_norms(dictionary)(x), dictionary(x), rtol=1e-10, atol=1e-10)


def test_a_zero_atom_cannot_be_made_unit() -> None:
    dictionary = model(catalogue("relu_april"))
    with torch.no_grad():
        dictionary.W_dec[3] = 0
    with pytest.raises(CompositionError, match="zero"):
        fold_decoder_norms(dictionary)


def test_folds_leave_their_argument_alone() -> None:
    dictionary = model(catalogue("gated"))
    before = dictionary.fingerprint()
    as_jumprelu(dictionary)
    fold_decoder_norms(dictionary)
    dictionary.fold()
    assert dictionary.fingerprint() == before
    assert math.isfinite(float(dictionary.scale))


@pytest.mark.parametrize("name", ["jumprelu", "batchtopk"])
def test_folding_thresholds_leaves_the_output_as_it_was_and_every_threshold_at_one(name: str) -> None:
    dictionary, x = model(catalogue(name), scale=1.3), inputs(300)
    folded = fold_thresholds(dictionary)
    assert torch.equal(folded.threshold, torch.ones(WIDTH, dtype=torch.float64))
    with torch.no_grad():
        torch.testing.assert_close(folded(x), dictionary(x), rtol=0, atol=1e-12)
        assert torch.equal(folded.encode(x).l0(), dictionary.encode(x).l0())


def test_a_threshold_of_zero_cannot_be_counted_in() -> None:
    with pytest.raises(CompositionError, match="not positive"):
        fold_thresholds(model(catalogue("relu")))
