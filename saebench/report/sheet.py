"""The sheet of a result: all its metrics, and where they come from, as text."""

from __future__ import annotations

from saebench.fingerprint import canonical_json
from saebench.report.view import Section, data_text, undeclared
from saebench.results.schema import MetricValue, ResultRecord
from saebench.tasks.contract import Metric

LONGEST_DETAIL = 2000
"""Characters of a detail that a sheet prints; longer ones stay in the results file."""


def sheet_facts(record: ResultRecord) -> list[tuple[str, str]]:
    """Everything about a result that is not a metric, as (term, text), in reading order."""
    subject, provenance = record.subject, record.provenance
    traits = [name for name, value in sorted(subject.traits.items()) if value is True]
    facts: list[tuple[str, object]] = [
        ("Subject", subject.spec),
        ("Kind", " ".join(part for part in (subject.kind, subject.role and f"control: {subject.role}") if part)),
        ("Architecture", subject.architecture),
        ("Size", f"{subject.d_in} dimensions, {subject.d_dict} latents" if subject.d_dict else None),
        ("Traits", ", ".join(trait.replace("_", " ") for trait in traits)),
        *((f"Made with: {name.replace('_', ' ')}", value) for name, value in sorted(subject.provenance.items())),
        *(("Data", f"{data_text(part)}; licence: {part.licence}") for part in record.data),
        ("Masked", record.identity.mask_rule),
        *((f"Setting: {name}", value) for name, value in sorted(record.identity.params.items())),
        ("Eval seed", record.eval_seed),
        ("Result id", record.id),
        ("Subject fingerprint", subject.fingerprint),
        ("Language model weights", record.model.weights_hash if record.model else None),
        ("Per-item scores", f"{record.items.file}, SHA-256 {record.items.sha256}" if record.items else None),
        ("Computed", f"{provenance.started} to {provenance.finished} on {provenance.device}, "
                     f"{provenance.threads} threads, batch {provenance.batch_size}, executor {provenance.executor}"),
        ("Software", f"saebench {provenance.saebench}, torch {provenance.torch}, "
                     f"transformers {provenance.transformers}, Python {provenance.python}, {provenance.platform}"),
        *((f"Cost: {name.replace('_', ' ')}", f"{value:,.4g}") for name, value in sorted(record.cost.items())),
        *((f"Detail: {name.replace('_', ' ')}", value) for name, value in sorted(record.details.items())),
    ]  # fmt: skip
    return [(term, _plain(value)) for term, value in facts if value not in (None, "", [], {})]


def _plain(value: object) -> str:
    text = value if isinstance(value, str) else canonical_json(value)
    return text if len(text) <= LONGEST_DETAIL else f"{len(text):,} characters, kept in the results file"


def sheet_metrics(record: ResultRecord, section: Section) -> list[tuple[str, list[tuple[Metric, MetricValue]]]]:
    """All metrics of a result by group: the card's main ones first, then `legacy`, then those without a card."""
    groups: dict[str, list[tuple[Metric, MetricValue]]] = {"main": [], "legacy": []}
    known = {metric.name: metric for metric in section.definitions}
    for name, metric in known.items():
        if name in record.metrics:
            groups[metric.group].append((metric, record.metrics[name]))
    for name, value in record.metrics.items():
        if name not in known:
            groups["main"].append((undeclared(name), value))
    return [(group, found) for group, found in groups.items() if found]
