import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saebench.dictionaries.codes import DenseCodes, SparseCodes, compact, from_pairs


@st.composite
def matrices(draw: st.DrawFn) -> torch.Tensor:
    n, width = draw(st.integers(1, 6)), draw(st.integers(1, 40))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    share = draw(st.sampled_from([0.0, 0.03, 0.1, 0.5]))
    active = torch.rand(n, width, generator=generator) < share
    return torch.where(active, torch.randn(n, width, generator=generator, dtype=torch.float64), 0)


def as_slots(values: torch.Tensor) -> SparseCodes:
    """Slots in the order of size, with spare ones of value 0."""
    slots = min(int((values != 0).sum(1).max()) + 1, values.shape[1])
    latents = values.abs().topk(slots, dim=1).indices
    return SparseCodes(values.gather(1, latents), latents, values.shape[1])


@given(matrices(), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_every_operation_agrees_between_slots_and_matrix(values: torch.Tensor, seed: int) -> None:
    dense, sparse = DenseCodes(values), as_slots(values)
    generator = torch.Generator().manual_seed(seed)
    some = torch.randperm(values.shape[1], generator=generator)[: max(1, values.shape[1] // 3)]
    rows = torch.rand(len(values), generator=generator) < 0.5
    atoms = torch.randn(values.shape[1], 3, generator=generator, dtype=torch.float64)
    assert (sparse.n, sparse.d_dict) == (dense.n, dense.d_dict)
    assert torch.equal(sparse.dense(), values)
    assert torch.equal(sparse.l0(), dense.l0())
    assert torch.equal(sparse.fired(), dense.fired())
    assert torch.equal(sparse.select(rows).fired(), dense.select(rows).fired())
    assert torch.equal(sparse.select(rows).dense(), dense.dense()[rows])
    assert torch.equal(sparse.columns(some), dense.columns(some))
    assert torch.equal(sparse.ablate(some).dense(), dense.ablate(some).dense())
    torch.testing.assert_close(sparse.l1(), dense.l1())
    torch.testing.assert_close(sparse.project(atoms), dense.project(atoms))
    torch.testing.assert_close(sparse.top(3)[0].abs(), dense.top(3)[0][:, : sparse.top(3)[0].shape[1]].abs())


@given(matrices())
@settings(max_examples=60, deadline=None)
def test_compacting_keeps_every_value(values: torch.Tensor) -> None:
    assert torch.equal(compact(values).dense(), values)


def test_compacting_is_sparse_where_few_latents_are_active_and_dense_where_many_are() -> None:
    few = torch.zeros(3, 100)
    few[0, 5], few[0, 7], few[2, 99] = 1.0, -2.0, 3.0
    assert isinstance(compact(few), SparseCodes)
    assert compact(few).top(1)[1].flatten().tolist()[::2] == [7, 99]
    assert isinstance(compact(torch.ones(3, 100)), DenseCodes)
    assert isinstance(compact(torch.cat([torch.zeros(99, 100), torch.ones(1, 100)])), DenseCodes)


def test_a_list_of_pairs_becomes_slots_of_its_tokens() -> None:
    codes = from_pairs(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0, 2, 2]), torch.tensor([4, 0, 9]), 3, 50)
    expected = torch.zeros(3, 50)
    expected[0, 4], expected[2, 0], expected[2, 9] = 1, 2, 3
    assert isinstance(codes, SparseCodes)
    assert torch.equal(codes.dense(), expected)
    assert codes.l0().tolist() == [1, 0, 2]


def test_negative_codes_are_active() -> None:
    values = torch.tensor([[-1.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
    latents = torch.arange(3).expand(2, 3)
    for codes in (DenseCodes(values), SparseCodes(values, latents, 3)):
        assert codes.l0().tolist() == [2.0, 0.0]
        assert codes.l1().tolist() == [3.0, 0.0]
        assert codes.fired().tolist() == [1, 0, 1]
