"""The oracle of a synthetic world: exact codes for its samples, a clear no for everything else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from saebench.baselines.controls import PermutedDecoder
from saebench.baselines.oracle import Oracle
from saebench.dictionaries.checkpoints import load, save
from saebench.dictionaries.codes import DenseCodes
from saebench.errors import SubjectFailed
from saebench.lm.synthetic.world import World


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SAEBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def world():
    return World.named("synthetic:tiny")


def test_codes_are_the_true_magnitudes_whatever_the_order(world):
    numbers = np.array([130_000, 5, 5, 200_000, 77])
    x = torch.from_numpy(world.activations(numbers))
    oracle = Oracle.of(world)
    codes = oracle.encode(x)
    expected = world.samples(numbers).toarray().astype(np.float32)
    assert np.array_equal(codes.dense().numpy(), expected)
    torch.testing.assert_close(oracle.decode(codes), x, atol=1e-5, rtol=1e-5)
    hinted = Oracle.of(world)
    hinted.table.expect(numbers)
    assert np.array_equal(hinted.encode(x.flip(0)).dense().numpy(), expected[::-1])
    assert len(hinted.table._seen) == 4, "an expected sample is found without looking through the world"


def test_a_checkpoint_of_it_is_it(world, tmp_path):
    save(Oracle.of(world), tmp_path / "oracle")
    kept = load(tmp_path / "oracle")
    assert kept.fingerprint() == Oracle.of(world).fingerprint()
    x = torch.from_numpy(world.activations(np.arange(3)))
    assert torch.equal(kept.encode(x).dense(), Oracle.of(world).encode(x).dense())
    other = Oracle.of(World.named("synthetic:tiny?seed=1"))
    assert other.fingerprint() != kept.fingerprint()


def test_what_is_no_sample_is_refused(world):
    oracle = Oracle.of(world)
    x = torch.from_numpy(world.activations(np.arange(4)))
    with pytest.raises(SubjectFailed, match="1 of 4 activations are no sample of synthetic:tiny"):
        oracle.encode(torch.cat([x[:3], x[3:] * 1.0001]))
    with pytest.raises(SubjectFailed, match=r"float32 bytes, and was given torch\.bfloat16"):
        oracle.encode(x.bfloat16())
    other = torch.from_numpy(World.named("synthetic:tiny?seed=1").activations(np.arange(2)))
    with pytest.raises(SubjectFailed, match="2 of 2"):
        oracle.encode(other)


def test_a_permuted_oracle_keeps_codes_and_atoms_as_a_set(world):
    oracle = Oracle.of(world)
    permuted = PermutedDecoder(oracle, 0)
    x = torch.from_numpy(world.activations(np.arange(8)))
    assert torch.equal(permuted.encode(x).dense(), oracle.encode(x).dense())
    assert torch.equal(permuted.atoms.sort(0).values, oracle.atoms.sort(0).values)
    one = DenseCodes(torch.eye(48))
    assert not torch.allclose(permuted.decode(one), oracle.decode(one))
