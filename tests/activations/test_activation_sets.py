import numpy as np
import pytest
import torch

from saebench.activations.sets import ActivationSet
from saebench.errors import DataError


def test_block_and_take_return_what_was_given() -> None:
    x = torch.randn(5, 4, 3)
    data = ActivationSet.from_tensor(x)
    assert torch.equal(data.block(1, 4), x[1:4])
    positions = np.array([19, 0, 7, 7, 2])
    assert torch.equal(data.take(positions), x.reshape(-1, 3)[torch.from_numpy(positions)])


def test_pieces_of_any_size_read_like_one() -> None:
    x = torch.randn(6, 4, 3)
    whole = ActivationSet.from_tensor(x)
    values = x.reshape(-1, 3).numpy()
    cut = ActivationSet(site=whole.site, rows=whole.rows, key=whole.key, pieces=[values[:8], values[8:12], values[12:]])
    for start in range(6):
        for stop in range(start + 1, 7):
            assert torch.equal(cut.block(start, stop), x[start:stop])
    positions = np.random.default_rng(0).permutation(24)
    assert torch.equal(cut.take(positions), whole.take(positions))


def test_bfloat16_keeps_its_bits() -> None:
    x = torch.randn(7, 3).bfloat16()
    data = ActivationSet.from_tensor(x)
    assert data.dtype == torch.bfloat16
    assert torch.equal(data.block(0, 7), x[:, None])
    assert torch.equal(data.take(np.arange(7)), x)


def test_what_is_read_is_a_copy() -> None:
    data = ActivationSet.from_tensor(torch.ones(3, 2))
    data.block(0, 3).zero_()
    data.take(np.arange(3)).zero_()
    data.mean().zero_()
    assert data.block(0, 3).sum() == 6
    assert torch.equal(data.mean(), torch.ones(2, dtype=torch.float64))


def test_moments_equal_numpys_over_unmasked_tokens() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(700, 16, 5, generator=generator) @ torch.randn(5, 5, generator=generator) + 3
    mask = torch.rand(700, 16, generator=generator) > 0.3
    data = ActivationSet.from_tensor(x.masked_fill(~mask[..., None], 1e6), mask)
    kept = x[mask].double().numpy()
    np.testing.assert_allclose(data.mean().numpy(), kept.mean(0), rtol=1e-12)
    np.testing.assert_allclose(data.covariance().numpy(), np.cov(kept.T, bias=True), rtol=1e-10, atol=1e-12)
    assert data.mean().dtype == data.covariance().dtype == torch.float64


def test_covariance_of_a_large_offset_does_not_cancel() -> None:
    x = torch.tensor([[1.0], [2.0], [3.0]]) + 2**20
    assert float(ActivationSet.from_tensor(x).covariance()) == pytest.approx(2 / 3, rel=1e-12)


def test_no_unmasked_token_has_no_mean() -> None:
    data = ActivationSet.from_tensor(torch.ones(3, 2), torch.zeros(3, dtype=torch.bool))
    with pytest.raises(DataError, match="no unmasked token"):
        data.mean()
    with pytest.raises(DataError, match="no unmasked token"):
        data.batches(2, seed=0)
