"""A synthetic world from end to end: a dictionary trained on it, its suite with controls, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from saebench.activations.store import ActivationStore
from saebench.data.packing import DataSpec
from saebench.dictionaries.contract import Provenance
from saebench.dictionaries.fakes import RandomLinear
from saebench.errors import SiteError, UsageError
from saebench.lm.model import load_model
from saebench.lm.synthetic.model import SITE
from saebench.run.evaluate import Settings, run_suite
from saebench.run.suite import load_suite
from saebench.run.training import TrainingJob, members_of, train_on
from saebench.subjects import require_site
from saebench.training import TrainSettings

CONTROLS = ("control:oracle", "control:random", "control:permuted?of=control:oracle")


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SAEBENCH_CACHE", str(tmp_path / "cache"))


def tiny_suite():
    """The packaged suite on the tiny world."""
    suite = load_suite("truth")
    data = suite.data.model_copy(
        update={
            "eval": DataSpec(source="synthetic:tiny", part="eval", documents=120),
            "fit": DataSpec(source="synthetic:tiny", part="train", tokens=8_000),
        }
    )
    defaults = suite.defaults.model_copy(update={"l0": 3, "d_dict": 48})
    return suite.model_copy(update={"lm": "synthetic:tiny", "data": data, "defaults": defaults, "controls": []})


def test_a_dictionary_trained_on_a_world_stands_between_its_controls(tmp_path, own_cache):
    lm = load_model("synthetic:tiny", device="cpu")
    job = TrainingJob(
        members_of("topk", widths=[48], sparsities=[("k", 3)], seeds=[0]),
        SITE,
        DataSpec(source="synthetic:tiny", part="train", tokens=60_000),
        TrainSettings(steps=400),
        batch_size=512,
    )
    made = train_on(lm, ActivationStore(), job, tmp_path / "trained")
    outcome = run_suite([*made.values(), *CONTROLS], tiny_suite(), Settings(tmp_path / "out"))
    assert not outcome.failures
    values = {
        record.subject.role or "trained": {name: one.value for name, one in record.metrics.items()}
        for record in outcome.computed
    }
    assert set(values) == {"oracle", "random", "permuted", "trained"}
    assert values["oracle"]["f1"] == 1
    assert 1 > values["trained"]["f1"] > values["random"]["f1"] + 0.1
    assert values["trained"]["mcc_above_null"] > 0.1 > values["random"]["mcc_above_null"]
    assert values["permuted"]["mcc"] == pytest.approx(1)
    assert values["permuted"]["f1"] < 0.2
    assert 0 < values["trained"]["fvu"] < values["random"]["fvu"]
    assert values["trained"]["hedging_rate"] is not None
    for record in outcome.computed:
        assert [one.part for one in record.data] == ["eval", "fit"]
        assert set(record.identity.data) == {"eval", "fit"}, "what it is trained on for its hedging rate decides it"
        if record.subject.role:
            assert "is not trained by gradient steps" in record.metrics["hedging_rate"].undefined
    again = run_suite([*CONTROLS], tiny_suite(), Settings(tmp_path / "out"))
    assert (len(again.computed), len(again.skipped)) == (0, 3)


def test_a_language_model_has_no_oracle_and_no_ground_truth(world, tmp_path):
    settings = Settings(tmp_path / "out", site=world.site)
    with pytest.raises(UsageError, match="nobody knows the true features"):
        run_suite(["control:oracle"], str(world.suite), settings)
    suite = tiny_suite().model_copy(update={"lm": str(world.model)})
    with pytest.raises(UsageError, match="needs a world whose features are known"):
        run_suite([str(world.dictionary)], suite, settings)


def test_reconstruction_needs_a_next_token(tmp_path, own_cache):
    suite = tiny_suite()
    loss = load_suite("quick").tasks
    with pytest.raises(UsageError, match="has no next token"):
        run_suite(["control:identity"], suite.model_copy(update={"tasks": loss}), Settings(tmp_path / "out"))


def test_the_oracle_reads_float32_alone(tmp_path, own_cache):
    outcome = run_suite(["control:oracle"], tiny_suite(), Settings(tmp_path / "out", dtype="bfloat16"))
    assert "float32 bytes" in outcome.failures[0].message


def test_a_dictionary_of_another_draw_of_the_world_is_refused():
    lm = load_model("synthetic:tiny", device="cpu")
    width = lm.site(SITE).width
    here = Provenance(lm=lm.name, lm_weights_hash=lm.weights_hash)
    require_site(replace(RandomLinear.draw(width, 48), provenance=here), lm, SITE, "mine")
    with pytest.raises(SiteError, match=r"mine: lm_weights_hash: .* of other features .*train it again"):
        require_site(
            replace(RandomLinear.draw(width, 48), provenance=replace(here, lm_weights_hash="0" * 32)), lm, SITE, "mine"
        )
