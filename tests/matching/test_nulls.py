"""The null against simulations at full size, and against random dictionaries."""

from __future__ import annotations

import pytest
import torch
from rows import draw

from saebench.matching import calibrated, mcc, nulls, random_null
from saebench.matching.nulls import at_tail, simulate, tail


@pytest.mark.parametrize("signed", [True, False])
def test_random_dictionaries_lie_on_it(signed):
    null = random_null(512, 512, 64, signed=signed)
    assert null.how == "simulated"
    for seed in range(5):
        made = mcc(*draw(512, 64, "random", 100 + seed), signed=signed)
        assert made.null == null
        assert made.value == pytest.approx(null.mean, abs=5 * null.sd)
        assert made.calibrated == pytest.approx(0, abs=0.01)
    assert mcc(draw(512, 64, "random")[0], draw(512, 64, "random")[0], signed).calibrated == pytest.approx(1)


def test_the_same_wherever_it_is_made_and_whichever_side_is_larger():
    nulls.random_null.cache_clear()
    with torch.random.fork_rng():
        torch.manual_seed(5)
        first = random_null(100, 300, 16, signed=True)
    nulls.random_null.cache_clear()
    assert random_null(300, 100, 16, signed=True) == first


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(("n", "m", "d"), [(1024, 1024, 64), (2048, 2048, 256), (2048, 2048, 32), (500, 2000, 96)])
def test_what_is_carried_over_equals_a_simulation_at_full_size(monkeypatch, n, m, d, signed):
    """From a quarter of the rows, as 8,192 is carried over from 2,048."""
    wanted = simulate(n, m, d, signed, seed=1)
    monkeypatch.setattr(nulls, "SIMULATED", m // 4)
    nulls.random_null.cache_clear()
    made = random_null(n, m, d, signed=signed)
    nulls.random_null.cache_clear()
    assert made.how.startswith("carried over from")
    assert made.mean == pytest.approx(wanted.mean(), abs=1e-3)


def test_published_sizes():
    """Dense solutions measured elsewhere: .13262 (8,192 rows in 768 dimensions), .2174 and .2279 (4,096 in 256)."""
    assert random_null(8192, 8192, 768, signed=True).mean == pytest.approx(0.13262, abs=3e-4)
    assert random_null(4096, 4096, 256, signed=True).mean == pytest.approx(0.2174, abs=5e-4)
    assert random_null(4096, 4096, 256, signed=False).mean == pytest.approx(0.2279, abs=1e-3)


def test_the_tail_of_the_cosine_of_random_directions():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200_000, 5, generator=generator)
    cosine = x[:, 0] / x.norm(dim=1)
    for value in (-0.3, 0.0, 0.4, 0.8):
        assert tail(value, 5, True) == pytest.approx(float((cosine > value).float().mean()), abs=5e-3)
    assert tail(0.4, 5, False) == pytest.approx(float((cosine.abs() > 0.4).float().mean()), abs=5e-3)
    for signed in (True, False):
        assert at_tail(tail(0.37, 9, signed), 9, signed) == pytest.approx(0.37)


def test_calibration():
    assert calibrated(0.1, 0.1) == 0
    assert calibrated(1.0, 0.1) == 1
    assert calibrated(0.0, 0.5) == -1
    with pytest.raises(ValueError, match="random rows match perfectly"):
        calibrated(1.0, 1.0)
    with pytest.raises(ValueError, match="no random dictionary"):
        random_null(0, 3, 2, signed=True)
