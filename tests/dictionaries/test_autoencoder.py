from dataclasses import replace

import pytest
import torch
from dictionary_cases import WIDTH, D, catalogue, inputs, model, state

from saebench.dictionaries import ARCHITECTURES
from saebench.dictionaries.autoencoder import SparseAutoencoder
from saebench.dictionaries.blocks.init import Tied, geometric_median
from saebench.dictionaries.blocks.rules import RowTopK
from saebench.dictionaries.blocks.sparsifier import AbsoluteScore, SignedValue, Sparsifier
from saebench.dictionaries.codes import SparseCodes
from saebench.errors import CheckpointError, CompositionError, InputError


@pytest.mark.parametrize("name", ARCHITECTURES.names())
def test_folding_the_scale_changes_no_reconstruction_and_keeps_unit_atoms(name: str) -> None:
    dictionary, x = model(catalogue(name), scale=0.037), inputs() / 0.037
    folded = dictionary.fold()
    with torch.no_grad():
        ours, theirs = dictionary(x), folded(x)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(folded.encode(x).dense(), dictionary.encode(x).dense() / 0.037, rtol=1e-5, atol=1e-5)
        assert (folded.encode(x).l0() == dictionary.encode(x).l0()).all()
    assert torch.equal(folded.W_dec, dictionary.W_dec)
    assert float(folded.scale) == 1
    assert folded.composition.preprocess.kind == "none"


@pytest.mark.parametrize("name", ARCHITECTURES.names())
def test_permuting_latents_permutes_codes_and_keeps_the_reconstruction(name: str) -> None:
    dictionary, x = model(catalogue(name)), inputs()
    order = torch.randperm(WIDTH, generator=torch.Generator().manual_seed(4))
    weights = {}
    for key, weight in dictionary.weights().items():
        axis = dictionary.latent_axis(key)
        weights[key] = weight.detach() if axis is None else weight.detach().index_select(axis, order)
    permuted = dictionary.rewritten(dictionary.composition, weights)
    with torch.no_grad():
        torch.testing.assert_close(permuted.encode(x).dense(), dictionary.encode(x).dense()[:, order])
        torch.testing.assert_close(permuted(x), dictionary(x))


@pytest.mark.parametrize("name", ARCHITECTURES.names())
def test_decode_is_affine_in_the_codes_with_rows_atoms(name: str) -> None:
    dictionary, x = model(catalogue(name), scale=0.5), inputs()
    with torch.no_grad():
        codes = dictionary.encode(x)
        zero = dictionary.decode(codes.ablate(torch.arange(WIDTH)))
        torch.testing.assert_close(dictionary.decode(codes) - zero, codes.dense() @ dictionary.atoms)


def test_topk_codes_are_the_k_largest_positive_preactivations() -> None:
    dictionary, x = model(catalogue("topk", k=4)), inputs()
    with torch.no_grad():
        z = (x - dictionary.b_dec) @ dictionary.W_enc.T + dictionary.weights()["b_enc"]
        codes = dictionary.encode(x)
    best = z.sort(dim=1, descending=True).values[:, :4].relu()
    assert isinstance(codes, SparseCodes)
    torch.testing.assert_close(codes.top(4)[0], best)


def test_signed_codes_keep_their_sign() -> None:
    composition = replace(catalogue("topk", k=4), sparsifier=Sparsifier(AbsoluteScore(), RowTopK(4), SignedValue()))
    dictionary = model(composition)
    with torch.no_grad():
        codes = dictionary.encode(inputs())
    assert (codes.l0() == 4).all()
    assert (codes.dense() < 0).any()


def test_a_batch_rule_encodes_single_tokens_by_its_threshold() -> None:
    dictionary, x = model(catalogue("batchtopk", k=3)), inputs()
    dictionary.threshold.fill_(0.4)
    with torch.no_grad():
        z = (x - dictionary.b_dec) @ dictionary.W_enc.T + dictionary.weights()["b_enc"]
        together = dictionary.encode(x).dense()
        alone = torch.cat([dictionary.encode(x[i : i + 1]).dense() for i in range(len(x))])
    torch.testing.assert_close(together, torch.where(z > 0.4, z, 0))
    torch.testing.assert_close(alone, together)


def test_the_largest_kept_threshold_gives_the_training_budget_back() -> None:
    composition = catalogue("batchtopk", k=3)
    dictionary, x = model(composition), inputs(400)
    seen = dictionary.training_pass(x, state(composition))
    assert seen.cutoff is not None
    dictionary.threshold.copy_(seen.cutoff * (1 - 1e-9))
    with torch.no_grad():
        assert torch.equal(dictionary.encode(x).fired(), seen.fired)


def test_a_fresh_batch_rule_refuses_to_encode() -> None:
    fresh = SparseAutoencoder(catalogue("batchtopk", k=3), D, WIDTH)
    with pytest.raises(CheckpointError, match="threshold"):
        fresh.encode(torch.zeros(2, D))


def test_wrong_widths_are_refused() -> None:
    with pytest.raises(InputError, match="9 wide"):
        model(catalogue("topk", k=4)).encode(torch.zeros(2, 9))
    with pytest.raises(CompositionError, match="d_dict = 24"):
        SparseAutoencoder(catalogue("topk", k=25), D, WIDTH)


def test_scales_give_the_norms_they_promise() -> None:
    x = torch.randn(200, D, generator=torch.Generator().manual_seed(0)) * 7 + 2
    mean_scaled = SparseAutoencoder(catalogue("topk", k=4), D, WIDTH)
    mean_scaled.set_scale(x)
    assert (x * mean_scaled.scale).norm(dim=1).mean().item() == pytest.approx(D**0.5, rel=1e-5)
    unit_scaled = SparseAutoencoder(catalogue("relu"), D, WIDTH)
    unit_scaled.set_scale(x)
    assert (x * unit_scaled.scale).square().sum(1).mean().item() == pytest.approx(1, rel=1e-5)


def test_initial_weights_are_tied_unit_and_reproducible() -> None:
    x = inputs(100).float()

    def fresh(seed: int) -> SparseAutoencoder:
        dictionary = SparseAutoencoder(catalogue("topk", k=4), D, WIDTH)
        dictionary.initialise(torch.Generator().manual_seed(seed), x)
        return dictionary

    one, same, other = fresh(0), fresh(0), fresh(1)
    torch.testing.assert_close(one.W_dec.norm(dim=1), torch.ones(WIDTH))
    assert torch.equal(one.W_enc, one.W_dec)
    torch.testing.assert_close(one.b_dec, geometric_median(x))
    assert torch.equal(one.W_dec, same.W_dec)
    assert not torch.equal(one.W_dec, other.W_dec)


def test_a_data_dependent_start_needs_data() -> None:
    dictionary = SparseAutoencoder(catalogue("topk", k=4), D, WIDTH)
    with pytest.raises(CompositionError, match="sample"):
        dictionary.initialise(torch.Generator())
    with pytest.raises(CompositionError, match="positive norm"):
        Tied(norm=0)


def test_the_geometric_median_ignores_far_outliers() -> None:
    points = torch.zeros(11, 2)
    points[0] = torch.tensor([1e3, 1e3])
    assert geometric_median(points).abs().max() < 1e-3
    corners = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])
    torch.testing.assert_close(geometric_median(corners), torch.tensor([2.0, 2.0]))


def test_unit_atoms_stay_unit_and_their_gradient_has_no_part_along_them() -> None:
    composition = catalogue("topk", k=4)
    dictionary = model(composition)
    dictionary.training_pass(inputs(), state(composition)).loss.backward()
    dictionary.before_step()
    assert dictionary.W_dec.grad is not None
    along = (dictionary.W_dec.grad * dictionary.W_dec).sum(1)
    assert along.abs().max() < 1e-12
    with torch.no_grad():
        dictionary.W_dec.add_(torch.randn(WIDTH, D, dtype=torch.float64))
    dictionary.after_step()
    torch.testing.assert_close(dictionary.W_dec.norm(dim=1), torch.ones(WIDTH, dtype=torch.float64))


def test_encoding_can_be_differentiated_by_its_input() -> None:
    dictionary = model(catalogue("topk", k=4))
    x = inputs(3).requires_grad_()
    dictionary(x).sum().backward()
    assert x.grad is not None
    numeric = []
    for i in range(D):
        ends = []
        for sign in (1, -1):
            moved = inputs(3)
            moved[0, i] += sign * 1e-6
            with torch.no_grad():
                ends.append(dictionary(moved).sum().item())
        numeric.append((ends[0] - ends[1]) / 2e-6)
    torch.testing.assert_close(x.grad[0], torch.tensor(numeric, dtype=torch.float64), rtol=1e-5, atol=1e-6)
