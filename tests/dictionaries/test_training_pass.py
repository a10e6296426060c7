"""The sparse training pass against the same formulas written densely, in double precision."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from dictionary_cases import WIDTH, D, N, catalogue, gradients, inputs, model, state
from torch import Tensor

from saebench.dictionaries.blocks.composition import Composition
from saebench.dictionaries.blocks.objective import FixedPrefixes, Reconstruction
from saebench.dictionaries.blocks.regularisers import L0, AuxK
from saebench.dictionaries.blocks.rules import LatentThreshold, RowTopK
from saebench.dictionaries.blocks.sparsifier import AbsoluteScore, SignedValue, Sparsifier

Weights = dict[str, Tensor]
Oracle = Callable[[Tensor, Weights], Tensor]
SCALE = 1.7


def distance(x: Tensor, x_hat: Tensor) -> Tensor:
    return (x - x_hat).square().sum(1).mean()


def keep_rows(score: Tensor, k: int) -> Tensor:
    cut = score.sort(dim=1, descending=True).values[:, k - 1 : k]
    return (score >= cut).double()


def keep_batch(score: Tensor, k: int) -> Tensor:
    return (score >= score.flatten().sort(descending=True).values[k * len(score) - 1]).double()


def topk(x: Tensor, w: Weights) -> Tensor:
    z = (x - w["b_dec"]) @ w["W_enc"].T + w["b_enc"]
    return distance(x, (z.relu() * keep_rows(z.detach(), 4)) @ w["W_dec"] + w["b_dec"])


def topk_with_dead(x: Tensor, w: Weights) -> Tensor:
    dead = [1, 5, 11, 20, 23]
    z = (x - w["b_dec"]) @ w["W_enc"].T + w["b_enc"]
    x_hat = (z.relu() * keep_rows(z.detach(), 4)) @ w["W_dec"] + w["b_dec"]
    e = (x - x_hat).detach()
    among = keep_rows(z.detach()[:, dead], min(D // 2, len(dead)))
    e_hat = (z[:, dead].relu() * among) @ w["W_dec"][dead]
    return distance(x, x_hat) + distance(e, e_hat) / distance(e, e.mean(0)) / 32


def abs_topk(x: Tensor, w: Weights) -> Tensor:
    z = (x - w["b_dec"]) @ w["W_enc"].T + w["b_enc"]
    return distance(x, (z * keep_rows(z.detach().abs(), 4)) @ w["W_dec"] + w["b_dec"])


def batchtopk(x: Tensor, w: Weights) -> Tensor:
    z = (x - w["b_dec"]) @ w["W_enc"].T + w["b_enc"]
    return distance(x, (z.relu() * keep_batch(z.detach(), 3)) @ w["W_dec"] + w["b_dec"])


def matryoshka(x: Tensor, w: Weights) -> Tensor:
    z = (x - w["b_dec"]) @ w["W_enc"].T + w["b_enc"]
    f = z.relu() * keep_batch(z.detach(), 3)
    ends = [0, *(max(1, round(WIDTH * end)) for end in (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1))]
    return torch.stack([distance(x, f[:, :end] @ w["W_dec"][:end] + w["b_dec"]) for end in ends]).mean()


def relu(x: Tensor, w: Weights) -> Tensor:
    f = ((x - w["b_dec"]) @ w["W_enc"].T + w["b_enc"]).relu()
    return distance(x, f @ w["W_dec"] + w["b_dec"]) + 0.03 * f.sum(1).mean()


def relu_april(x: Tensor, w: Weights) -> Tensor:
    f = (x @ w["W_enc"].T + w["b_enc"]).relu()
    return distance(x, f @ w["W_dec"] + w["b_dec"]) + 5.0 * (f * w["W_dec"].norm(dim=1)).sum(1).mean()


def p_anneal(x: Tensor, w: Weights) -> Tensor:
    f = ((x - w["b_dec"]) @ w["W_enc"].T + w["b_enc"]).relu()
    penalty = torch.where(f > 0, f, 1).pow(0.6) * (f > 0)
    return distance(x, f @ w["W_dec"] + w["b_dec"]) + 0.02 * penalty.sum(1).mean()


def gated(x: Tensor, w: Weights) -> Tensor:
    u = (x - w["b_dec"]) @ w["W_enc"].T
    gate = u + w["b_gate"]
    f = (gate > 0) * (w["r_mag"].exp() * u + w["b_mag"]).relu()
    by_gate = gate.relu() @ w["W_dec"].detach() + w["b_dec"].detach()
    sparsity = 0.03 * gate.relu().sum(1).mean()
    return distance(x, f @ w["W_dec"] + w["b_dec"]) + sparsity + distance(x, by_gate)


def jumprelu_theta(x: Tensor, w: Weights, slope_of_count: Callable[[Tensor], Tensor]) -> Tensor:
    """A loss whose theta gradient is the published straight-through one, built from its parts."""
    width, theta = 0.4, w["threshold"]
    z = x @ w["W_enc"].T + w["b_enc"]
    window = ((z - theta).abs() < width / 2).double().detach()
    opened = (z > theta).double()
    f = z.relu() * opened - (theta.detach() / width) * window * (theta - theta.detach())
    count = opened.detach() - window / width * (theta - theta.detach())
    return distance(x, f @ w["W_dec"] + w["b_dec"]) + slope_of_count(count.sum(1).mean())


def jumprelu(x: Tensor, w: Weights) -> Tensor:
    return jumprelu_theta(x, w, lambda l0: 0.05 * l0)


def jumprelu_target(x: Tensor, w: Weights) -> Tensor:
    return jumprelu_theta(x, w, lambda l0: 1.0 * (l0 / 3 - 1).square())


SIGNED = Sparsifier(AbsoluteScore(), RowTopK(4), SignedValue())
CASES: dict[str, tuple[Oracle, Composition, tuple[int, ...]]] = {
    "topk": (topk, catalogue("topk", k=4), ()),
    "topk with dead latents": (topk_with_dead, catalogue("topk", k=4), (1, 5, 11, 20, 23)),
    "signed topk": (abs_topk, replace(catalogue("topk", k=4), sparsifier=SIGNED), ()),
    "batchtopk": (batchtopk, catalogue("batchtopk", k=3), ()),
    "matryoshka": (matryoshka, catalogue("matryoshka_batchtopk", k=3), ()),
    "relu": (relu, catalogue("relu"), ()),
    "april": (relu_april, catalogue("relu_april"), ()),
    "p-anneal": (p_anneal, catalogue("p_anneal"), ()),
    "gated": (gated, catalogue("gated"), ()),
    "jumprelu": (jumprelu, catalogue("jumprelu", sparsity=0.05, bandwidth=0.4), ()),
    "jumprelu at a target": (jumprelu_target, catalogue("jumprelu", l0=3.0, bandwidth=0.4), ()),
}


@pytest.mark.parametrize("bias", [0.0, -1.4], ids=["dense", "sparse"])
@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradients_equal_the_dense_formulas(case: str, bias: float) -> None:
    oracle, composition, dead = CASES[case]
    dictionary, x = model(composition, scale=SCALE), inputs()
    with torch.no_grad():
        for name in ("b_enc", "b_gate"):
            if name in dictionary.weights():
                dictionary.weights()[name].add_(bias)
    now = state(composition, dead=dead)
    if case == "p-anneal":
        now.coefficients["p"] = 0.6

    seen = dictionary.training_pass(x, now)
    seen.loss.backward()
    found = gradients(dictionary)
    dictionary.zero_grad()
    expected = oracle(x * dictionary.scale.double(), dictionary.weights())
    expected.backward()

    torch.testing.assert_close(seen.loss, expected, rtol=1e-10, atol=1e-10)
    for name, gradient in gradients(dictionary).items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-9, atol=1e-10, msg=name)


def test_sampled_prefixes_average_the_loss_and_the_penalty_of_each_prefix() -> None:
    composition = catalogue("matryoshka_sampled", sparsity=0.5, prefixes=4)
    dictionary, x = model(composition), inputs()
    ends = composition.objective.prefixes(WIDTH, state(composition, seed=3))
    seen = dictionary.training_pass(x, state(composition, seed=3))
    w = dictionary.weights()
    f = ((x - w["b_dec"]) @ w["W_enc"].T + w["b_enc"]).relu()
    sizes = f * w["W_dec"].norm(dim=1)
    losses = [distance(x, f[:, :m] @ w["W_dec"][:m] + w["b_dec"]) + 0.5 * sizes[:, :m].sum(1).mean() for m in ends]
    assert len(set(ends)) == 4
    assert ends[-1] == WIDTH
    torch.testing.assert_close(seen.loss, torch.stack(losses).mean())


def test_one_prefix_is_the_plain_objective() -> None:
    nested = replace(
        catalogue("matryoshka_batchtopk", k=3), objective=FixedPrefixes(ends=(1.0,), with_b_dec_alone=False)
    )
    plain = replace(nested, objective=Reconstruction())
    losses = [model(c).training_pass(inputs(), state(c)).loss for c in (nested, plain)]
    assert torch.equal(*losses)


@pytest.mark.parametrize("scale", ["sum", "mse", "fvu"])
def test_loss_scales_differ_by_constants_of_the_batch(scale: str) -> None:
    composition = replace(catalogue("topk", k=4), objective=Reconstruction(scale), regularisers=())  # type: ignore[arg-type]
    x = inputs()
    seen = model(composition).training_pass(x, state(composition))
    per_token = (x - seen.x_hat).square().sum(1).mean().item()
    divisor = {"sum": 1.0, "mse": D, "fvu": (x - x.mean(0)).square().sum(1).mean().item()}[scale]
    assert seen.loss.item() == pytest.approx(per_token / divisor)


def test_a_pass_reports_what_was_active() -> None:
    composition = catalogue("batchtopk", k=3)
    dictionary = model(composition)
    seen = dictionary.training_pass(inputs(), state(composition))
    dense = seen.codes.dense()
    assert torch.equal(seen.fired, (dense != 0).sum(0))
    assert seen.l0.item() == pytest.approx((dense != 0).sum().item() / N)
    assert seen.cutoff is not None
    assert seen.cutoff.item() == dense[dense > 0].min().item()
    assert set(seen.parts) == {"reconstruction", "auxk"}


def test_present_coefficients_replace_the_blocks_own() -> None:
    composition = catalogue("relu")
    now = state(composition)
    now.coefficients["l1"] = 0.0
    seen = model(composition).training_pass(inputs(), now)
    assert seen.loss.item() == seen.parts["reconstruction"].item()
    assert seen.parts["l1"].item() > 0


def test_passes_are_bit_equal_in_repeated_runs() -> None:
    composition = catalogue("batchtopk", k=3)

    def run() -> dict[str, Tensor]:
        dictionary = model(composition).to("cpu", torch.float32)
        dictionary.training_pass(inputs().float(), state(composition, dead=(2, 3))).loss.backward()
        return gradients(dictionary)

    first, second = run(), run()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("offset", [-0.1, 0.1])
def test_the_l0_gradient_is_that_of_a_smoothed_count_on_both_sides_of_the_threshold(offset: float) -> None:
    width, theta = 0.4, 1.0
    composition = catalogue("jumprelu", sparsity=1.0, bandwidth=width)
    dictionary = model(composition, width=1)
    with torch.no_grad():
        dictionary.W_enc.copy_(torch.eye(1, D))
        dictionary.W_dec.zero_()
        dictionary.weights()["b_enc"].zero_()
        dictionary.threshold.fill_(theta)
    x = torch.zeros(1, D, dtype=torch.float64)
    x[0, 0] = theta + offset

    def smoothed(level: float) -> float:
        """Integral of the kernel: the count, with the step replaced by a ramp of the kernel's width."""
        return min(1.0, max(0.0, (theta + offset - level) / width + 0.5))

    step = 1e-4
    expected = (smoothed(theta + step) - smoothed(theta - step)) / (2 * step)
    dictionary.training_pass(x, state(composition, width=1)).loss.backward()
    assert expected == pytest.approx(-1 / width)
    assert gradients(dictionary)["threshold"].item() == pytest.approx(expected)


def test_auxk_is_zero_and_free_when_nothing_is_dead() -> None:
    composition = catalogue("topk", k=4)
    seen = model(composition).training_pass(inputs(), state(composition))
    assert seen.parts["auxk"].item() == 0
    assert seen.loss.item() == seen.parts["reconstruction"].item()


def test_auxk_moves_dead_latents_and_the_centre_alone() -> None:
    dead = (2, 9, 17)
    composition = catalogue("topk", k=4)
    with_term, without = model(composition), model(composition)
    with_term.training_pass(inputs(), state(composition, dead=dead)).loss.backward()
    without.training_pass(inputs(), state(composition)).loss.backward()
    for name, gradient in gradients(with_term).items():
        change = gradient - gradients(without)[name]
        if name == "b_dec":
            assert change.abs().max() > 0
            continue
        touched = change.reshape(WIDTH, -1).abs().amax(1) > 1e-12
        assert touched.nonzero().flatten().tolist() == list(dead), name


def test_auxk_of_a_perfect_reconstruction_is_zero() -> None:
    composition = replace(catalogue("topk", k=4), regularisers=(AuxK(1.0),))
    dictionary = model(composition)
    with torch.no_grad():
        x = dictionary.b_dec.expand(N, D).clone()
        dictionary.weights()["b_enc"].fill_(-1)
    assert dictionary.training_pass(x, state(composition, dead=(0,))).parts["auxk"].item() == 0


def test_a_gradient_step_on_the_threshold_moves_l0_towards_its_target() -> None:
    composition = replace(
        catalogue("jumprelu"),
        sparsifier=Sparsifier(rule=LatentThreshold(bandwidth=1.0)),
        regularisers=(L0(1.0, bandwidth=1.0, target=2.0),),
    )
    dictionary = model(composition)
    with torch.no_grad():
        dictionary.W_dec.mul_(1e-6)
    before = dictionary.training_pass(inputs(), state(composition))
    before.loss.backward()
    with torch.no_grad():
        dictionary.threshold.sub_(0.5 * gradients(dictionary)["threshold"])
    after = dictionary.training_pass(inputs(), state(composition))
    assert abs(after.l0.item() - 2) < abs(before.l0.item() - 2)
    assert math.isfinite(after.loss.item())
