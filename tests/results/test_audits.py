"""Where readers find an audit, and when it does not count."""

from __future__ import annotations

from dataclasses import replace

import pytest
from result_examples import CARD, write_example

from saebench.errors import ResultsError
from saebench.results.audits import AuditRecord, AuditSettings, Measured, MetricAudit, audit_of, write_audit
from saebench.results.comparison import compare_records
from saebench.results.store import ResultStore

UNKNOWN = Measured(value=None, undefined="not measured")


def audit(verdict="weak", fingerprint=None):
    limit = Measured(value=0.02, low=0.01, high=0.04, n=20)
    metric = MetricAudit(
        metric="quality",
        reseed_sd=Measured(value=0.0072, low=0.005, high=0.01, n=20),
        cv=UNKNOWN,
        smallest_reliable=limit,
        smallest_reliable_paired=UNKNOWN,
        snr=Measured(value=0.4, n=4),
        separated=UNKNOWN,
        trend=UNKNOWN,
        validity_f1=UNKNOWN,
        validity_mcc=UNKNOWN,
        order=(),
        verdict=verdict,
        reasons=("signal to noise 0.40",),
    )
    settings = AuditSettings(
        suite="audit-v1",
        lm="toy lm",
        site=None,
        params={},
        eval_seeds=(0, 1, 2, 3, 4),
        subjects=("a",),
        world="synthetic:tiny",
        sweep=(),
        budget="",
        saebench="0.1.0",
        finished="2026-01-01T00:00:00+00:00",
    )
    return AuditRecord(
        task=CARD.name, metrics_fingerprint=fingerprint or CARD.fingerprint(), settings=settings, metrics=(metric,)
    )


def test_a_results_folder_brings_its_own_audit_to_its_tables(tmp_path):
    store = ResultStore(tmp_path)
    records = [write_example(store, name, quality) for name, quality in (("a", 0.5), ("b", 0.6))]
    assert audit_of(CARD, tmp_path) is None
    write_audit(audit(), tmp_path)
    quality, width = compare_records(records, store, {CARD.name: CARD}.__getitem__)
    assert quality.reliability.verdict == "weak"
    assert width.reliability is None, "the audit says nothing of it"


def test_an_audit_of_other_definitions_does_not_count(tmp_path):
    write_audit(audit(), tmp_path)
    changed = replace(CARD, metrics=(replace(CARD.metrics[0], definition="something else"), *CARD.metrics[1:]))
    assert audit_of(changed, tmp_path) is None


def test_a_damaged_audit_is_named(tmp_path):
    file = write_audit(audit(), tmp_path)
    file.write_text(file.read_text().replace('"weak"', '"splendid"'))
    with pytest.raises(ResultsError, match=r"toy@1\.json.*metrics\.0\.verdict"):
        audit_of(CARD, tmp_path)


def test_an_empty_cell_needs_a_reason():
    with pytest.raises(ValueError, match="needs a reason"):
        Measured(value=None)
