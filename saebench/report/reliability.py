"""How far a metric can be trusted, in words and as a table: what an audit found, beside what it is about."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from saebench.report.numbers import DASH, decimals, fixed, label, with_interval
from saebench.results.audits import AuditRecord, Measured, MetricAudit

HEAD = (
    "Metric",
    "Verdict",
    "Reseed sd",
    "Smallest reliable difference",
    "with the same seed",
    "Signal / noise",
    "Pairs told apart",
    "Improves with training",
    "Rank agreement with true F1",
    "Controls in order",
)
TITLE = "## Measured reliability"
LEGEND = (
    "Reseed sd: spread of a trained subject's score over evaluation seeds. Smallest reliable difference: two scores "
    "that differ by less may be equal (5 %), from two seeds or from the same one. Signal / noise: spread of trained "
    "subjects over the noise that subjects of one seed do not share. Rank agreement: Spearman correlation with "
    "ground-truth F1 on a synthetic world. Metrics of which less is better are turned round for the last columns. "
    "A dash: see the reasons below."
)


def shown(record: AuditRecord, names: Sequence[str] | None = None) -> list[MetricAudit]:
    """The metrics of an audit that a reader sees: those of `names`, else all."""
    return [one for one in record.metrics if names is None or one.metric in names]


def audit_row(one: MetricAudit) -> list[str]:
    """The cells of one metric, in the order of `HEAD`."""
    return [
        label(one.metric),
        one.verdict,
        _number(one.reseed_sd),
        _number(one.smallest_reliable),
        _number(one.smallest_reliable_paired),
        _number(one.snr),
        _percent(one.separated),
        _percent(one.trend),
        _number(one.validity_f1),
        order_text(one),
    ]


def order_text(one: MetricAudit) -> str:
    """`2 of 3`: expectations of the card that held; a dash without any."""
    checked = [check.held for check in one.order if check.held is not None]
    return f"{sum(checked)} of {len(checked)}" if checked else DASH


def reasons_of(metrics: Sequence[MetricAudit]) -> list[str]:
    """What verdicts rest on and why cells are empty, each once with the metrics that it holds for."""
    found: dict[str, list[str]] = {}
    for one in metrics:
        empty = [getattr(one, name).undefined for name in ("reseed_sd", "snr", "separated", "trend", "validity_f1")]
        for reason in dict.fromkeys([*one.reasons, *(reason for reason in empty if reason)]):
            found.setdefault(reason, []).append(label(one.metric))
    everywhere = len(metrics)
    return [
        f"{reason[:1].upper()}{reason[1:]}." if len(names) == everywhere else f"{', '.join(names)}: {reason}."
        for reason, names in found.items()
    ]


def settings_text(record: AuditRecord) -> str:
    """What an audit was made with, in one line."""
    made = record.settings
    truth = f"{_several(len(made.sweep), 'subject')} on {made.world}"
    return (
        f"{len(made.eval_seeds)} seeds, {_several(len(made.subjects), 'subject')} ({', '.join(made.subjects)}), "
        f"suite {made.suite}, {made.lm}; truth: {truth}; saebench {made.saebench}, {made.finished[:10]}"
    )


def note(one: MetricAudit) -> str:
    """One line for below a table of values."""
    limits = ", ".join(
        f"{text} {fixed(limit.value, decimals([limit]))}"
        for limit, text in (
            (one.smallest_reliable, "scores of two seeds differ reliably from"),
            (one.smallest_reliable_paired, "scores of one seed from"),
        )
        if limit.value is not None
    )
    return f"{label(one.metric)}: audited as {one.verdict}" + (f"; {limits}" if limits else "")


def rich_audit(record: AuditRecord, width: int) -> RenderableType:
    """An audit for a terminal: one block of facts a metric where the table would not fit."""
    parts: list[RenderableType] = [
        Text(f"Audit of {record.task}", style="bold"),
        Text(settings_text(record), style="dim"),
    ]
    table = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    columns = range(len(HEAD)) if width >= 150 else (0, 1, 2, 4, 5, 6, 8, 9)
    for column in columns:
        table.add_column(HEAD[column], justify="left" if column < 2 else "right")
    for one in record.metrics:
        row = audit_row(one)
        table.add_row(*(Text(row[column]) for column in columns))
    parts += [table, Text(LEGEND, style="dim"), *(Text(line, style="dim") for line in reasons_of(record.metrics))]
    return Group(*parts)


def audit_markdown(record: AuditRecord, names: Sequence[str] | None = None) -> str:
    """An audit as Markdown, for a card."""
    metrics = shown(record, names)
    lines = [list(HEAD), ["---", "---", *["---:"] * (len(HEAD) - 2)], *(audit_row(one) for one in metrics)]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    reasons = "\n".join(f"- {reason}" for reason in reasons_of(metrics))
    return f"{TITLE}\n\n{settings_text(record)}.\n\n{body}\n\n{LEGEND}\n\n{reasons}\n"


def _number(one: Measured) -> str:
    return with_interval(one, decimals([one])) if one.value is not None else DASH


def _percent(one: Measured) -> str:
    return DASH if one.value is None else f"{fixed(100 * one.value, 0)} % of {one.n}"


def _several(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
