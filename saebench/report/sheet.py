"""Where a number comes from, as text: what is known of a subject, and of one result of it."""

from __future__ import annotations

import json

from saebench.report.view import data_text
from saebench.results.schema import ResultRecord, SubjectRecord

LONGEST_DETAIL = 2000
"""Characters of a detail that a sheet prints; longer ones stay in the results file."""

Facts = list[tuple[str, str]]


def subject_facts(subject: SubjectRecord) -> Facts:
    """What is known of a subject whatever it was scored on, as (term, text), in reading order."""
    traits = [name for name, value in sorted(subject.traits.items()) if value is True]
    return _texts(
        [
            ("Subject", subject.spec),
            ("Kind", " ".join(part for part in (subject.kind, subject.role and f"control: {subject.role}") if part)),
            ("Architecture", subject.architecture),
            ("Size", f"{subject.d_in} dimensions, {subject.d_dict} latents" if subject.d_dict else None),
            ("Traits", ", ".join(trait.replace("_", " ") for trait in traits)),
            *((f"Made with: {name.replace('_', ' ')}", value) for name, value in sorted(subject.provenance.items())),
            ("Fingerprint", subject.fingerprint),
        ]
    )


def result_facts(record: ResultRecord) -> Facts:
    """Everything about a result that is neither a metric nor the subject, as (term, text), in reading order."""
    made = record.provenance
    return _texts(
        [
            *(("Data", f"{data_text(part)}; licence: {part.licence}") for part in record.data),
            ("Masked", record.identity.mask_rule),
            *((f"Setting: {name}", value) for name, value in sorted(record.identity.params.items())),
            ("Eval seed", record.eval_seed),
            ("Submission", f"{record.submission.name}: {record.submission.status}" if record.submission else None),
            ("Result id", record.id),
            ("Language model weights", record.model.weights_hash if record.model else None),
            ("Per-item scores", f"{record.items.file}, SHA-256 {record.items.sha256}" if record.items else None),
            ("Computed", f"{made.started} to {made.finished} on {made.device}, "
                         f"{made.threads} threads, batch {made.batch_size}, executor {made.executor}"),
            ("Software", f"saebench {made.saebench}, torch {made.torch}, "
                         f"transformers {made.transformers}, Python {made.python}, {made.platform}"),
            *((f"Cost: {name.replace('_', ' ')}", f"{value:,.4g}") for name, value in sorted(record.cost.items())),
            *((f"Detail: {name.replace('_', ' ')}", value) for name, value in sorted(record.details.items())),
        ]
    )  # fmt: skip


def _texts(facts: list[tuple[str, object]]) -> Facts:
    return [(term, _plain(value)) for term, value in facts if value not in (None, "", [], {})]


def _plain(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= LONGEST_DETAIL else f"{len(text):,} characters, kept in the results file"
