"""What scoring cost, as series of the history: only nights on like machines continue each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from saebench.fingerprint import digest
from saebench.nightly.history import Point
from saebench.results.schema import ProvenanceRecord, ResultRecord

ALL = "all subjects"


def cost_points(records: Sequence[ResultRecord], seconds: float) -> list[Point]:
    """The mean of each cost of each task over its results, and the wall time of the whole night in seconds.

    Peak memory is the process's so far: its mean over results would say little, so the largest is kept.
    """
    if not records:
        return []
    where = machine(records[0].provenance)
    held: dict[tuple[str, str], list[float]] = defaultdict(list)
    for record in records:
        for name, value in record.cost.items():
            held[record.task, name].append(value)
    points = [
        _point(where, task, name, max(values) if name.startswith("peak_") else fmean(values))
        for (task, name), values in sorted(held.items())
    ]
    return [*points, _point(where, "night", "seconds", seconds)]


def machine(provenance: ProvenanceRecord) -> str:
    """What must be alike for costs to be compared."""
    return digest([provenance.platform, provenance.device, provenance.threads, provenance.batch_size])


def _point(where: str, task: str, name: str, value: float) -> Point:
    return Point(series=digest([where, task, name]), subject=ALL, task=task, metric=name, value=value, kind="cost")
