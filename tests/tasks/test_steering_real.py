"""`steering@1` on the packaged model: sports news, steered with what sports news have in common, and with nothing."""

from __future__ import annotations

import pytest

from saebench.baselines.concepts.diffmean import DiffMean
from saebench.baselines.concepts.random_direction import RandomDirection
from saebench.fakes import FakeConcept, bench_of
from saebench.lm.model import load_model
from saebench.tasks.steering.card import CARD
from saebench.tasks.steering.params import SteeringParams
from saebench.tasks.steering.task import Steering
from saebench.tasks.summary import summarise

SITE = "blocks.9.hook_resid_post"


@pytest.mark.slow
def test_at_equal_kl_a_difference_of_means_says_more_of_sports_than_a_random_direction():
    lm = load_model("smollm2-135m-instruct", device="cpu")
    params = SteeringParams(
        concepts=("97_news_class: Sport",), detector_rows=120, train_rows=96, prompts=4, factors=(0.2, 0.4, 0.6)
    )
    subjects = [FakeConcept(DiffMean(), "diffmean", site=SITE), FakeConcept(RandomDirection(), "random", site=SITE)]
    bench = bench_of(lm, params)
    scores = Steering().run(subjects, bench)
    assert not bench.failures
    found = {name: summarise(CARD, scores[name]) for name in ("diffmean", "random")}
    plain = found["random"]
    assert plain["detector_auroc"].value > 0.9
    assert plain["plain_concept"].value < 0.2
    assert plain["plain_instruction"].value > 1.2
    assert plain["plain_fluency"].value > 1.8
    assert found["diffmean"]["concept_kl_1"].value > plain["concept_kl_1"].value + 0.2
