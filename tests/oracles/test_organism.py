"""The published curves of the synthetic organism, reproduced by our trainer (Song et al. 2025, arXiv 2505.20254)."""

from __future__ import annotations

import pytest
from organism import advance, gt_mcc, organism, pw_mcc, start

PW_MCC = {0: 0.45569, 100: 0.48788, 200: 0.53990, 300: 0.57887}
GT_MCC = {
    0: (0.47356, 0.44873, 0.45955, 0.46661, 0.48400),
    100: (0.54543, 0.54826, 0.53266, 0.54423, 0.54513),
    200: (0.59042, 0.60030, 0.57153, 0.59034, 0.58517),
    300: (0.61193, 0.61628, 0.59324, 0.60551, 0.59895),
}
LOSS = {0: 0.20140, 100: 0.19494, 200: 0.18768, 300: 0.17729}
"""Total loss of the first model: mean squared error of all entries + 0.01 x mean L1 of a token."""
L0 = {0: 16.827, 100: 15.954, 200: 16.503, 300: 17.294}


def check(runs, step: int) -> None:
    """All published numbers after the update of `step`."""
    advance(runs, step + 1)
    assert pw_mcc(runs) == pytest.approx(PW_MCC[step], abs=2e-4)
    assert gt_mcc(runs) == pytest.approx(GT_MCC[step], abs=2e-4)
    _, x = organism()
    model = runs[0].model
    codes = model.encode(x)
    loss = (x - model.decode(codes)).square().mean() + 1e-2 * codes.l1().mean()
    assert float(loss.detach()) == pytest.approx(LOSS[step], abs=2e-4)
    assert float(codes.l0().mean()) == pytest.approx(L0[step], abs=5e-3)


def test_initial_weights_and_the_first_step_give_the_published_numbers():
    check(start("standard", 1), 0)


@pytest.mark.slow
def test_our_trainer_follows_the_published_curves():
    runs = start("standard", 301)
    for step in (100, 200, 300):
        check(runs, step)
