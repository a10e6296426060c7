"""The lenses on one metric and the verdict, on results with known scores."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from saebench.audit.metric import audit_metric
from saebench.audit.scores import Audited, role_of
from saebench.stats.quantity import Quantity
from saebench.tasks.contract import Above, Card, Metric

UNKNOWN = {"f1": Quantity(None, undefined="no world"), "mcc": Quantity(None, undefined="no world")}
METRIC = Metric("loss", "Loss.", {"loss": 1}, {"1": 1}, "documents", direction="down")


def card(*expected, unfit=""):
    return Card(
        id="toy",
        version=1,
        question="",
        source="",
        metrics=(METRIC,),
        headline=("loss",),
        expected=expected,
        unfit=unfit,
    )


def subject(name, values, *, role="trained", tokens=None):
    """One subject with its scores under each seed."""
    records = tuple(SimpleNamespace(metrics={"loss": SimpleNamespace(value=value)}) for value in values)
    return Audited(name, role, "topk-s0", tokens, records)


def around(mean, noise=0.01):
    return [mean + noise * step for step in (-2, -1, 0, 1, 2)]


def audit(made, panel, validity=UNKNOWN):
    return audit_metric(made, METRIC, panel, validity)


PANEL = [
    subject("short", around(3.0), tokens=100),
    subject("long", around(1.0, -0.01), tokens=1000),
    subject("random", around(5.0), role="random"),
]
EXPECTED = Above("loss", "trained", "random")


def test_a_metric_that_falls_with_training_far_beyond_its_noise_is_sound():
    found = audit(card(EXPECTED), PANEL)
    assert found.reseed_sd.value == pytest.approx(0.0158, abs=1e-4)
    assert found.snr.value > 50
    assert (found.trend.value, found.separated.value) == (1, 1)
    assert [check.held for check in found.order] == [True]
    assert (found.order[0].better_mean, found.order[0].worse_mean) == (pytest.approx(2), pytest.approx(5))
    assert (found.verdict, found.reasons) == ("sound", ())


def test_a_control_out_of_order_makes_it_weak_and_with_noise_beside_it_unfit():
    wrong = card(Above("loss", "random", "trained"))
    reason = "random does not stand above trained"
    assert audit(wrong, PANEL).reasons == (reason,)
    assert audit(wrong, PANEL).verdict == "weak"
    noisy = [subject("a", around(1.1, 1.0)), subject("b", around(1.0, -1.0)), PANEL[2]]
    assert audit(wrong, noisy).verdict == "unfit"
    agreeing = {**UNKNOWN, "f1": Quantity(0.8, 0.4, 0.95, 10)}
    assert audit(wrong, noisy, agreeing).verdict == "weak", "agreement with the truth speaks for it"


def test_noise_as_large_as_the_differences_makes_it_weak():
    panel = [subject("short", around(1.1, 1.0), tokens=100), subject("long", around(1.0, -1.0), tokens=1000)]
    found = audit(card(), panel)
    assert found.verdict == "weak"
    assert any(reason.startswith("signal to noise") for reason in found.reasons)


def test_agreement_with_truth_below_zero_makes_it_unfit_and_doubtful_agreement_weak():
    against = {**UNKNOWN, "f1": Quantity(-0.8, -0.95, -0.4, 10)}
    doubtful = {**UNKNOWN, "f1": Quantity(0.3, -0.3, 0.7, 10)}
    assert audit(card(EXPECTED), PANEL, against).verdict == "unfit"
    assert audit(card(EXPECTED), PANEL, doubtful).verdict == "weak"


def test_a_card_that_calls_itself_unfit_stays_so():
    assert audit(card(EXPECTED, unfit="an audit said so"), PANEL).reasons == ("an audit said so",)


def test_an_absent_role_is_no_violation():
    found = audit(card(Above("loss", "trained", "permuted")), PANEL)
    assert found.order[0].held is None
    assert found.verdict == "sound"


def test_a_subject_without_a_value_under_some_seed_is_left_out():
    panel = [*PANEL, subject("undefined", [None, 1, 1, 1, 1])]
    assert audit(card(EXPECTED), panel).reseed_sd.n == audit(card(EXPECTED), PANEL).reseed_sd.n


def test_no_cell_is_empty_without_a_reason():
    found = audit(card(), [subject("undefined", [None] * 5)])
    empty = [getattr(found, name) for name in ("reseed_sd", "cv", "snr", "separated", "trend", "smallest_reliable")]
    assert all(one.value is None and one.undefined for one in empty)
    assert (found.verdict, found.reasons) == ("not measured", ("no trained subject has this metric under every seed",))


def test_a_group_is_trained_only_if_all_its_members_are():
    def role(*members):
        told = [{"role": role, "spec": spec} for role, spec in members]
        subject = SimpleNamespace(role=None, spec="set:...", provenance={"members": told})
        return role_of(SimpleNamespace(subject=subject))

    assert role((None, "a"), (None, "b")) == "trained"
    assert role((None, "baseline:pca?l0=8"), (None, "baseline:pca?l0=32")) == "baseline"
    assert role(("random", "control:random"), (None, "a")) == "mixed"
