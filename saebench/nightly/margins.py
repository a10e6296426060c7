"""How large a change must be before it matters: the noise that an audit has recorded, or a share of the range."""

from __future__ import annotations

from dataclasses import dataclass

from saebench.results.audits import MetricAudit
from saebench.tasks.contract import Metric

RANGE_SHARE = 0.005
"""Of the metric's range, where both of its ends are declared."""


@dataclass(frozen=True)
class Margin:
    """A change within it does not matter; `value` is None where nothing is known, `source` says where it is from."""

    value: float | None
    source: str


def margin_of(metric: Metric, audit: MetricAudit | None) -> Margin:
    """The larger of the recorded seed noise and 0.5 % of the range.

    The noise is the audit's `smallest_reliable_paired`: 1.96 standard deviations over evaluation seeds of the
    difference of two subjects scored with the same seed. Tonight and the reference share their seeds, so what a seed
    does to all scores alike (hard texts) is no noise here.
    """
    known = []
    noise = audit.smallest_reliable_paired.value if audit else None
    if noise is not None:
        known.append(Margin(noise, "seed noise recorded by the audit"))
    if metric.low is not None and metric.high is not None:
        known.append(Margin(RANGE_SHARE * (metric.high - metric.low), f"{RANGE_SHARE:.1%} of the range"))
    if not known:
        return Margin(None, "no audit has recorded its noise, and it has no range: run 'saebench audit'")
    return max(known, key=lambda one: one.value or 0.0)
