import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saebench.baselines.controls import Identity, MeanOnly, PermutedDecoder, RandomDictionary
from saebench.dictionaries.codes import DenseCodes
from saebench.errors import UsageError


def activations(n: int = 400, d: int = 24, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator) @ torch.randn(d, d, generator=generator) + 5


def fvu(x: torch.Tensor, x_hat: torch.Tensor) -> float:
    return float((x - x_hat).square().sum() / (x - x.mean(0)).square().sum())


def test_identity_returns_its_input_bit_for_bit() -> None:
    x = activations()
    identity = Identity(24)
    assert torch.equal(identity.decode(identity.encode(x)), x)
    assert torch.equal(identity.encode(x).project(identity.atoms), x)


def test_mean_only_explains_none_of_the_variance_and_has_no_code() -> None:
    x = activations().double()
    mean_only = MeanOnly(x.mean(0))
    codes = mean_only.encode(x)
    assert fvu(x, mean_only.decode(codes)) == pytest.approx(1, abs=1e-12)
    assert codes.l0().max() == 0
    assert codes.fired().tolist() == [0]


@settings(max_examples=20, deadline=None)
@given(l0=st.integers(1, 16), seed=st.integers(0, 5))
def test_random_dictionary_has_the_asked_l0_and_never_loses_to_the_mean(l0: int, seed: int) -> None:
    x = activations(seed=seed)
    random = RandomDictionary(24, 128, l0, seed, x.mean(0))
    codes = random.encode(x)
    assert torch.all(codes.l0() == l0)
    assert torch.all(codes.dense() >= 0)
    error = (random.decode(codes) - x).norm(dim=1)
    assert torch.all(error <= (x - x.mean(0)).norm(dim=1) * (1 + 1e-5))


def test_no_other_scale_of_a_tokens_codes_reconstructs_it_better() -> None:
    x = activations().double()
    random = RandomDictionary(24, 128, 8, 0, x.mean(0))
    codes = random.encode(x).dense()
    best = (random.decode(DenseCodes(codes)) - x).norm(dim=1)
    for factor in (0.9, 0.99, 1.01, 1.1):
        assert torch.all((random.decode(DenseCodes(codes * factor)) - x).norm(dim=1) > best)


def test_random_atoms_are_unit_and_isotropic() -> None:
    random = RandomDictionary(16, 8000, 4, 3, torch.zeros(16))
    torch.testing.assert_close(random.atoms.norm(dim=1), torch.ones(8000))
    covariance = random.atoms.T @ random.atoms / 8000
    assert (covariance - torch.eye(16) / 16).abs().max() < 5 / (16 * 8000**0.5)


def test_a_seed_names_one_random_dictionary() -> None:
    same = [RandomDictionary(8, 32, 4, 1, torch.zeros(8)).fingerprint() for _ in range(2)]
    other = RandomDictionary(8, 32, 4, 2, torch.zeros(8)).fingerprint()
    assert same[0] == same[1] != other


def test_a_token_at_the_mean_has_finite_codes() -> None:
    random = RandomDictionary(8, 32, 4, 1, torch.ones(8))
    assert torch.equal(random.decode(random.encode(torch.ones(3, 8))), torch.ones(3, 8))


def test_random_dictionary_refuses_more_active_latents_than_it_has() -> None:
    with pytest.raises(UsageError, match="l0 = 33"):
        RandomDictionary(8, 32, 33, 0, torch.zeros(8))


def test_permuted_decoder_keeps_codes_and_moves_every_atom() -> None:
    x = activations()
    random = RandomDictionary(24, 64, 6, 0, x.mean(0))
    permuted = PermutedDecoder(random, seed=0)
    codes = permuted.encode(x)
    assert torch.equal(codes.dense(), random.encode(x).dense())
    assert sorted(permuted.permutation.tolist()) == list(range(64))
    assert not torch.any(permuted.permutation == torch.arange(64))
    assert permuted.atoms is not None
    torch.testing.assert_close(permuted.decode(codes), codes.dense() @ permuted.atoms + random.mean)
    torch.testing.assert_close(permuted.decode(DenseCodes(codes.dense())), permuted.decode(codes))
    assert fvu(x, permuted.decode(codes)) > fvu(x, random.decode(codes))


def test_permuted_decoder_differs_by_seed_and_from_its_source() -> None:
    random = RandomDictionary(8, 32, 4, 0, torch.zeros(8))
    prints = {random.fingerprint(), *(PermutedDecoder(random, seed).fingerprint() for seed in range(3))}
    assert len(prints) == 4


def test_controls_move_between_dtypes() -> None:
    x = activations()
    permuted = PermutedDecoder(RandomDictionary(24, 64, 6, 0, x.mean(0)), 0)
    for control in (Identity(24), MeanOnly(x.mean(0)), permuted):
        double = control.to("cpu", torch.float64)
        torch.testing.assert_close(
            double.decode(double.encode(x.double())), control.decode(control.encode(x)).double(), rtol=1e-4, atol=1e-4
        )
