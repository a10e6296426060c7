"""One task on the scale from the random control (0) to the oracle (1), with all that an aggregate needs to resample it.

Without an oracle the raw-activation control ("identity") stands at 1. Of several random controls, the one whose L0 is
most like the subject's counts. A subject has no place on the scale where an end is missing, and where both ends stand
closer together, in the metric's direction, than the smallest difference that an audit found reliable.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from saebench.results.comparison import Contender
from saebench.results.metrics import MetricLike
from saebench.results.resampling import resample
from saebench.stats import Estimate
from saebench.stats.combined import Sampled, estimate, share_of_gap

BOTTOM = ("random",)
TOP = ("oracle", "identity")
"""Roles of the two ends, the first that is there."""


@dataclass(frozen=True)
class PartScore:
    """One subject on the common scale of one task."""

    estimate: Estimate
    """`undefined` says why it has none."""
    bottom: str | None = None
    """The control at 0."""
    top: str | None = None
    """The control at 1."""


@dataclass(frozen=True, eq=False)
class Scaled:
    """The same with its resamples; None where it is undefined."""

    score: PartScore
    sampled: Sampled | None


@dataclass(frozen=True)
class Competitor:
    """A subject of a task, by its role and its items."""

    contender: Contender
    role: str | None


def on_common_scale(
    metric: MetricLike, competitors: Mapping[str, Competitor], *, paired: bool, smallest: float | None
) -> dict[str, Scaled]:
    """Each subject of a task on the common scale, by name.

    Args:
        metric: what the task is ranked by.
        competitors: subjects by name, controls among them.
        paired: whether items are the same for every subject.
        smallest: smallest reliable difference of the metric; None: not measured.

    Raises:
        ResultsError: the item tables contradict each other.
    """
    sampled, lacking = resample(metric, {name: one.contender for name, one in competitors.items()}, paired)
    sign = 1 if metric.direction == "up" else -1
    scaled = {}
    for name, one in competitors.items():
        bottom, top = _end(BOTTOM, competitors, one.contender.entry.l0), _end(TOP, competitors, None)
        reason = (
            lacking.get(name)
            or _no_end("random control", bottom, lacking)
            or _no_end("oracle or raw-activation control", top, lacking)
            or _too_close(sign * (sampled[str(top)].value - sampled[str(bottom)].value), smallest)
        )
        if reason:
            nothing = Estimate(None, None, None, one.contender.entry.estimate.n, reason)
            scaled[name] = Scaled(PartScore(nothing, bottom, top), None)
        else:
            share = share_of_gap(sampled[name], sampled[str(bottom)], sampled[str(top)])
            scaled[name] = Scaled(PartScore(estimate(share), bottom, top), share)
    return scaled


def _end(roles: tuple[str, ...], competitors: Mapping[str, Competitor], l0: float | None) -> str | None:
    """The control at one end: of the first role that occurs, the one of nearest L0, else the first by name."""
    for role in roles:
        found = sorted(name for name, one in competitors.items() if one.role == role)
        if found:
            return min(found, key=lambda name: _unlike(competitors[name].contender.entry.l0, l0))
    return None


def _unlike(one: float | None, other: float | None) -> float:
    """Distance of two L0 on a logarithmic scale."""
    return abs(math.log(one / other)) if one and other else math.inf


def _no_end(what: str, name: str | None, lacking: Mapping[str, str]) -> str | None:
    if name is None:
        return f"no {what} among the results"
    return f"{name}: {lacking[name]}" if name in lacking else None


def _too_close(gap: float, smallest: float | None) -> str | None:
    if smallest is None:
        return "its smallest reliable difference was not measured"
    if gap > 0 and gap >= smallest:
        return None
    return f"its controls differ by {gap:.3g}, less than the smallest reliable difference {smallest:.3g}"
