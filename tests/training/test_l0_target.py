from dataclasses import replace

import pytest

from saebench.dictionaries import ARCHITECTURES
from saebench.training import Member, TrainSettings, train_panel

PENALISED = ["relu", "relu_april", "gated", "jumprelu", "p_anneal", "matryoshka_sampled"]


@pytest.mark.parametrize("l0", [6, 12])
@pytest.mark.parametrize("name", PENALISED)
def test_penalty_methods_reach_the_l0_that_was_asked_for(toy, unexplained, name, l0):
    """On held-out data, within 10 % after 500 short steps, without trading the reconstruction away."""
    composition = ARCHITECTURES.get(name)(l0=l0)
    composition = replace(composition, optimiser=replace(composition.optimiser, lr=3e-3))
    trained = train_panel([Member("m", composition, 96)], toy.batches(128, rows=32768), TrainSettings(steps=500))["m"]
    held_out = toy.held_out(2048)
    assert float(trained.encode(held_out).l0().mean()) == pytest.approx(l0, rel=0.1)
    assert unexplained(trained, held_out) < 1


def test_the_start_of_the_search_hardly_matters(toy):
    found = []
    for sparsity in (0.003, 0.3):
        composition = ARCHITECTURES.get("relu")(sparsity=sparsity, l0=8)
        composition = replace(composition, optimiser=replace(composition.optimiser, lr=3e-3))
        trained = train_panel([Member("m", composition, 96)], toy.batches(128), TrainSettings(steps=500))["m"]
        found.append(float(trained.encode(toy.held_out(2048)).l0().mean()))
    assert found == pytest.approx([8, 8], rel=0.1)
