"""`absorption@1` on the packaged model: its letters can be read, and what carries them answers for them."""

from __future__ import annotations

import numpy as np
import pytest

from saebench.baselines.controls import Identity
from saebench.fakes import FakeSubject, bench_of
from saebench.lm.model import load_model
from saebench.tasks.absorption.task import Absorption, AbsorptionParams
from saebench.tasks.summary import summarise

pytestmark = pytest.mark.slow

SITE = "blocks.9.hook_resid_post"


def test_letters_of_a_real_model_are_found_and_taken_away_with_their_absorbers():
    lm = load_model("smollm2-135m-instruct", device="cpu")
    params = AbsorptionParams(
        train_words=40, test_words=12, examples=2, min_letters=12, min_true_positives=3, checked_words=1
    )
    bench = bench_of(lm, params)
    scores = Absorption().run([FakeSubject(Identity(lm.d_model), "identity", site=SITE)], bench)["identity"]
    assert np.mean([detail["probe_auc"] for detail in scores.details["letters"].values()]) > 0.9
    made = summarise(Absorption.card, scores)
    assert made["absorber_effect_above_random"].low > 0
    assert made["l0"].value == lm.d_model
