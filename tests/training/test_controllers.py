import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from saebench.dictionaries import ARCHITECTURES
from saebench.dictionaries.blocks.controllers import L0Target, PAnneal, Reorder, ThresholdAverage, WarmUp, mean_squares
from saebench.dictionaries.codes import DenseCodes, SparseCodes
from saebench.errors import CompositionError
from saebench.training import Member, TrainSettings, train_panel

MODEL = SimpleNamespace(d_dict=4, W_dec=torch.eye(4), threshold=torch.full((1,), math.nan))


def state(step: int, **coefficients: float) -> SimpleNamespace:
    return SimpleNamespace(step=step, coefficients=coefficients)


def result(values=((1.0, 0, 0, 0),), l0: float = 1.0, cutoff: float | None = None) -> SimpleNamespace:
    codes = DenseCodes(torch.tensor(values))
    return SimpleNamespace(codes=codes, l0=torch.tensor(l0), cutoff=None if cutoff is None else torch.tensor(cutoff))


def test_warm_up_is_linear_and_then_full():
    control = WarmUp("l1", fraction=0.5).start(MODEL, 8)
    seen = []
    for step in range(6):
        now = state(step, l1=2.0, other=3.0)
        control.before_step(now)
        seen.append(now.coefficients["l1"])
        assert now.coefficients["other"] == 3.0
    assert seen == [0.5, 1.0, 1.5, 2.0, 2.0, 2.0]


def coefficient(control, step: int = 0) -> float:
    now = state(step, l1=1.0)
    control.before_step(now)
    return now.coefficients["l1"]


def test_the_l0_target_rests_at_the_target_and_answers_either_way():
    for l0, sign in ((5.0, 0), (50.0, 1), (0.0, -1)):
        control = L0Target("l1", 5).start(MODEL, 100)
        for _ in range(10):
            control.after_step(result(l0=l0))
        change = math.log(coefficient(control))
        assert change == 0 if sign == 0 else change * sign > 1


def test_the_l0_target_looks_ahead_along_the_slope():
    """L0 halves every three steps: 30 steps ahead it is far below the target, though it is still above it now."""
    control = L0Target("l1", 5, integral=0, ahead=0.3).start(MODEL, 100)
    for step in range(10):
        control.after_step(result(l0=80 * 2 ** (-step / 3)))
    assert coefficient(control) < 1


def lp_penalty(values: torch.Tensor, p: float) -> float:
    return float(values[values > 0].pow(p).sum()) / len(values)


def test_p_annealing_keeps_the_penalty_of_the_same_codes():
    """With codes that do not change, coefficient times R_p is the same before and after every move of p."""
    values = torch.rand(50, 4, generator=torch.Generator().manual_seed(0)) * (torch.rand(50, 4) < 0.5)
    control = PAnneal("lp", p_end=0.2, updates=4, begin=0.5, end=1.0, queue=3).start(MODEL, 40)
    exponents, penalties = [], []
    for step in range(40):
        now = state(step, lp=0.7)
        control.before_step(now)
        exponents.append(now.coefficients["p"])
        penalties.append(now.coefficients["lp"] * lp_penalty(values, now.coefficients["p"]))
        control.after_step(result(values.tolist()))
    assert [exponents[step] for step in (0, 19, 20, 25, 30, 35, 39)] == pytest.approx([1, 1, 0.8, 0.6, 0.4, 0.2, 0.2])
    assert penalties == pytest.approx([penalties[0]] * 40, rel=1e-5)


def test_the_threshold_is_a_plain_mean_at_first_and_forgets_later():
    model = SimpleNamespace(threshold=torch.full((1,), math.nan))
    control = ThresholdAverage(memory=0.5).start(model, 10_000)
    for number in (1.0, 2.0, 6.0):
        control.after_step(result(cutoff=number))
    assert model.threshold.item() == pytest.approx(3, rel=2e-3)
    control.after_step(result(cutoff=None))
    assert model.threshold.item() == pytest.approx(3, rel=2e-3)
    for _ in range(20_000):
        control.after_step(result(cutoff=4.0))
    assert model.threshold.item() == pytest.approx(4, rel=1e-6)


@pytest.mark.parametrize("steps", [60, 300])
def test_batchtopk_keeps_its_l0_on_single_held_out_tokens(toy, steps):
    composition = ARCHITECTURES.get("batchtopk")(k=6)
    trained = train_panel([Member("b", composition, 128)], toy.batches(rows=32768), TrainSettings(steps=steps))["b"]
    held_out = toy.held_out()
    l0 = trained.encode(held_out).l0()
    assert float(l0.mean()) == pytest.approx(6, rel=0.05)
    assert l0[:20].tolist() == [float(trained.encode(row[None]).l0()) for row in held_out[:20]]


def test_mean_squares_agree_for_both_kinds_of_codes():
    values, latents = torch.tensor([[2.0, 0.0], [1.0, 3.0]]), torch.tensor([[1, 1], [3, 1]])
    sparse = SparseCodes(values, latents, 4)
    assert mean_squares(sparse).tolist() == mean_squares(DenseCodes(sparse.dense())).tolist() == [0, 6.5, 0, 0.5]


def test_reordering_sorts_by_what_latents_add():
    model = SimpleNamespace(d_dict=3, W_dec=torch.diag(torch.tensor([1.0, 5.0, 1.0])))
    control = Reorder(every=0.5, until=1.0).start(model, 4)
    orders = []
    for step in range(4):
        control.before_step(state(step))
        orders.append(control.after_step(result([[1.0, 1.0, 2.0]])))
    assert orders[0] is orders[2] is None
    assert orders[1].tolist() == [1, 2, 0]


def test_reordering_changes_nothing_but_the_order(toy):
    """Where the order has no meaning, a run that is sorted on the way is the unsorted run with its latents permuted.

    Moments or thresholds that were left behind would change the later steps.
    """
    relu = ARCHITECTURES.get("relu")()
    sorted_often = replace(relu, controllers=(*relu.controllers, Reorder(every=0.1, until=1.0)))
    plain, moved = (
        train_panel([Member("m", one, 64)], toy.batches(), TrainSettings(steps=40))["m"] for one in (relu, sorted_often)
    )
    order = (moved.atoms @ plain.atoms.T).argmax(1)
    assert sorted(order.tolist()) == list(range(64))
    assert order.tolist() != list(range(64))
    for name, tensor in moved.tensors().items():
        other = plain.tensors()[name]
        expected = other if name == "b_dec" else other[:, order] if name == "W_enc" else other[order]
        assert torch.allclose(tensor, expected, atol=1e-4)
    x = toy.held_out(2048)
    strength = moved.encode(x).dense().square().mean(0)
    assert strength[:16].mean() > strength[-16:].mean()


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: WarmUp("l1", 2), "controller.warm_up.fraction"),
        (lambda: L0Target("l1", 0), "controller.l0_target.l0"),
        (lambda: PAnneal(p_end=0), "controller.p_anneal.p_end"),
        (lambda: ThresholdAverage(memory=0), "controller.threshold_average.memory"),
        (lambda: Reorder(decay=1), "controller.reorder.decay"),
    ],
)
def test_settings_out_of_range_are_refused(make, field):
    with pytest.raises(CompositionError) as caught:
        make()
    assert caught.value.field == field
