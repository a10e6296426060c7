import pytest
import torch
from torch import Tensor

from saebench.dictionaries.entries import Entries

N, WIDTH, D = 7, 12, 5


def made(form: str) -> Entries:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.empty(N, WIDTH)
    if form == "every":
        return Entries.every(matrix)
    if form == "slots":
        return Entries.slots(matrix, torch.rand(N, WIDTH, generator=generator).topk(4).indices)
    flat = (torch.rand(N * WIDTH, generator=generator) < (0.3 if form == "list" else -1)).nonzero().squeeze(1)
    return Entries.pairs(matrix, flat[flat // WIDTH != 3])


def mask(entries: Entries) -> Tensor:
    """1 at the entries of a matrix `[n, width]`, else 0."""
    if entries.latents is None:
        return torch.ones(N, WIDTH, dtype=torch.float64)
    tokens = torch.arange(N).unsqueeze(1).expand_as(entries.latents) if entries.tokens is None else entries.tokens
    return torch.zeros(N, WIDTH, dtype=torch.float64).index_put((tokens, entries.latents), torch.tensor(1.0).double())


def leaves() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = {"x": (N, D), "centre": (D,), "rows": (WIDTH, D), "bias": (WIDTH,), "atoms": (WIDTH, D)}
    return {
        name: torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for name, shape in shapes.items()
    }


@pytest.mark.parametrize("form", ["every", "slots", "list", "empty list"])
def test_products_over_entries_and_their_gradients_equal_dense_ones(form: str) -> None:
    entries, weights = made(form), leaves()
    x, centre, rows, bias, atoms = weights.values()

    ready = ((x - centre) @ rows.T + bias).detach()
    total = entries.bag(entries.linear(x, centre, rows, bias, ready).relu(), atoms)
    total.square().sum().backward()
    sparse = {name: weight.grad.clone() for name, weight in weights.items() if weight.grad is not None}

    for weight in weights.values():
        weight.grad = None
    plain = (((x - centre) @ rows.T + bias).relu() * mask(entries)) @ atoms
    plain.square().sum().backward()

    torch.testing.assert_close(total, plain, rtol=1e-10, atol=1e-10)
    for name, weight in weights.items():
        assert weight.grad is not None
        torch.testing.assert_close(
            sparse.get(name, torch.zeros_like(weight)), weight.grad, rtol=1e-10, atol=1e-10, msg=name
        )


def test_gradients_are_bit_equal_in_repeated_runs() -> None:
    generator = torch.Generator().manual_seed(2)
    x, rows = torch.randn(300, 16, generator=generator), torch.randn(64, 16, generator=generator)

    def gradient() -> Tensor:
        table = rows.clone().requires_grad_()
        z = x @ rows.T
        entries = Entries.slots(z, z.topk(8).indices)
        entries.bag(entries.linear(x, None, table, None, z), table).square().sum().backward()
        assert table.grad is not None
        return table.grad

    first = gradient()
    assert all(torch.equal(gradient(), first) for _ in range(4))


def test_slots_and_their_list_say_the_same() -> None:
    slots = made("slots")
    listed = slots.listed()
    values = torch.randn(N, 4)
    assert torch.equal(slots.codes(values).dense(), listed.codes(values.reshape(-1)).dense())
    assert torch.equal(slots.fired(values), listed.fired(values.reshape(-1)))


@pytest.mark.parametrize("form", ["slots", "list"])
def test_ranges_of_latents_split_a_bag_into_its_parts(form: str) -> None:
    entries = made(form).listed()
    assert entries.latents is not None
    values, atoms = torch.randn(len(entries.latents)).double(), leaves()["atoms"].detach()
    parts = []
    for low, high in ((0, 3), (3, 7), (7, WIDTH)):
        group, places = entries.within(low, high)
        parts.append(group.bag(values[places], atoms))
    torch.testing.assert_close(torch.stack(parts).sum(0), entries.bag(values, atoms))


def test_what_the_rule_holds_back_is_zero() -> None:
    score = torch.tensor([[1.0, -1.0], [0.5, 2.0]])
    entries = Entries.every(score, keep=score > 0.7)
    assert entries.gate(score).tolist() == [[1.0, 0.0], [0.0, 2.0]]
