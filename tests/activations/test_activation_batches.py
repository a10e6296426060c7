from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saebench.activations.batches import ActivationBatches
from saebench.activations.sets import ActivationSet
from saebench.errors import UsageError


def numbered(n_rows: int, context: int, every: int) -> tuple[ActivationSet, list[int]]:
    """A set whose activations are the numbers of their tokens, each `every`-th masked; and the unmasked numbers."""
    x = torch.arange(n_rows * context, dtype=torch.float32).reshape(n_rows, context, 1)
    mask = (x[..., 0] % every) != 0
    return ActivationSet.from_tensor(x, mask), x[..., 0][mask].int().tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 7), st.integers(2, 5), st.integers(1, 50), st.integers(0, 3))
def test_each_epoch_has_every_unmasked_token_once(n_rows: int, context: int, every: int, size: int, seed: int) -> None:
    data, kept = numbered(n_rows, context, every)
    if not kept:
        return
    batches = data.batches(size, seed=seed)
    epochs = 3
    drawn = torch.cat(list(islice(batches, -(-epochs * len(kept) // size)))).flatten().int().tolist()
    for epoch in range(epochs):
        assert sorted(drawn[epoch * len(kept) : (epoch + 1) * len(kept)]) == kept


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(0, 60))
def test_seek_gives_the_batch_that_walking_gives(size: int, step: int) -> None:
    data, _ = numbered(6, 5, 3)
    walked = next(islice(data.batches(size, seed=4), step, None))
    batches = data.batches(size, seed=4)
    next(batches)
    batches.seek(step)
    assert torch.equal(next(batches), walked)
    assert batches.step == step + 1


def test_seed_decides_the_order_and_epochs_differ() -> None:
    data, kept = numbered(40, 10, 2)
    first, second, other = (data.batches(len(kept), seed=seed) for seed in (0, 0, 1))
    epochs = [next(first), next(first)]
    assert torch.equal(epochs[0], next(second))
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[0], next(other))


def test_neighbours_are_torn_apart() -> None:
    data, kept = numbered(100, 10, 1000)
    order = next(data.batches(len(kept), seed=0)).flatten()
    assert (order.diff().abs() == 1).float().mean() < 0.02


def test_a_tensor_is_shuffled_like_a_set() -> None:
    x = torch.randn(30, 4)
    from_tensor = ActivationBatches(x, 7, seed=2)
    from_set = ActivationSet.from_tensor(x).batches(7, seed=2)
    for _ in range(10):
        assert torch.equal(next(from_tensor), next(from_set))


def test_batches_come_in_the_dtype_asked_for() -> None:
    data = ActivationSet.from_tensor(torch.randn(9, 2).bfloat16())
    assert next(data.batches(4, seed=0)).dtype == torch.float32
    assert next(data.batches(4, seed=0, dtype=torch.float64)).dtype == torch.float64


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one token"):
        ActivationBatches(torch.ones(3, 2), 0, seed=0)
