"""`detection@1` on the packaged model: weekdays are found in news, by the words that bear them."""

from __future__ import annotations

import pytest

from saebench.baselines.concepts.bow import Words
from saebench.baselines.concepts.diffmean import DiffMean
from saebench.baselines.concepts.reft_r1 import ReftR1
from saebench.data.mentions import WEEKDAYS, mentions
from saebench.fakes import FakeConcept, bench_of
from saebench.lm.model import load_model
from saebench.tasks.detection.card import CARD
from saebench.tasks.detection.params import DetectionParams
from saebench.tasks.detection.task import Detection
from saebench.tasks.summary import summarise

pytestmark = pytest.mark.slow
SITE = "blocks.9.hook_resid_post"


def test_words_of_each_kind_stand_in_texts_that_mention_them_and_nowhere_else():
    for kind, word in (("weekday", "Tuesday"), ("month", "October"), ("country", "Iraq"), ("number", "2004")):
        data, spans = mentions(kind)
        assert word in {text[start:end] for text, where in spans.items() for start, end in where}
        for one in data.examples:
            assert (one.label == "1") == (one.text in spans)
    data, spans = mentions("weekday")
    for one in data.examples:
        assert sum(one.text.count(day) for day in WEEKDAYS) >= len(spans.get(one.text, ())) >= int(one.label)


def test_weekdays_are_detected_in_texts_and_on_their_tokens():
    lm = load_model("smollm2-135m-instruct", device="cpu")
    params = DetectionParams(concepts=("mention:weekday",), train_rows=48, test_rows=32, hard_rows=6, context=40)
    subjects = [
        FakeConcept(DiffMean(), "diffmean", site=SITE),
        FakeConcept(Words(), "bow", site=SITE),
        FakeConcept(ReftR1(texts=12, epochs=2), "reft_r1", site=SITE),
    ]
    bench = bench_of(lm, params)
    scores = Detection().run(subjects, bench)
    assert not bench.failures
    found = {name: summarise(CARD, one) for name, one in scores.items()}
    assert found["diffmean"]["auroc_max"].value > 0.9
    assert found["diffmean"]["auroc_token"].value > 0.95
    assert found["bow"]["auroc_max"].value > 0.6
    fit = scores["reft_r1"].details["concepts"]["mention:weekday"]["fit"]
    assert fit["texts"] == 12
