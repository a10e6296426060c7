"""How sparse each subject is, and the bands of L0 within which subjects are ranked.

Nearly every metric moves with L0, so that a rank across unlike L0 says little about a dictionary. Bands are factors of
two around powers of two: the band 32 holds an L0 from 22.6 to 45.3. Their edges lie between the powers, where few
dictionaries are trained to be. An L0 of zero is a band of its own.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean

from saebench.results.schema import ResultRecord

SPARSITY = "l0"
"""The metric's name in every task that measures it."""
MEASURED_BY = "reconstruction"
"""The task whose L0 counts for a subject in tasks that measure none: it reads plain text of the suite."""
BAND_RULE = "L0 bands are factors of two around powers of two (32: 22.6 to 45.3)"

Band = float | None
"""The middle of a band; None where L0 is not known."""
Place = tuple[str, str | None, str | None]
"""A subject by fingerprint, at a site of a language model by its weights."""


def band_of(l0: float) -> float:
    """The power of two at the middle of the band that holds this L0; 0 for 0."""
    return 2.0 ** round(math.log2(l0)) if l0 > 0 else 0.0


def band_edges(band: float) -> tuple[float, float]:
    """Lower and upper edge of a band."""
    return band / math.sqrt(2), band * math.sqrt(2)


class Sparsity:
    """What results say of the L0 of their subjects.

    Args:
        records: results of any tasks.
    """

    def __init__(self, records: Iterable[ResultRecord]) -> None:
        found: dict[Place, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for record in records:
            metric = record.metrics.get(SPARSITY)
            if metric is not None and metric.value is not None:
                found[_place(record, record.subject.fingerprint)][record.task].append(metric.value)
        self._l0 = {place: fmean(tasks[min(tasks, key=_preference)]) for place, tasks in found.items()}

    def of(self, records: Sequence[ResultRecord]) -> float | None:
        """L0 of the subject of some results of one task: as they measured it, else as `known` says."""
        own = [metric.value for one in records if (metric := one.metrics.get(SPARSITY)) and metric.value is not None]
        return fmean(own) if own else self.known(records[0])

    def known(self, record: ResultRecord) -> float | None:
        """L0 of the subject of a result by all of its tasks, of a group the mean of its members'.

        None where no result says it.
        """
        members = _members(record) or [record.subject.fingerprint]
        known = [self._l0.get(_place(record, fingerprint)) for fingerprint in members]
        return fmean(l0 for l0 in known if l0 is not None) if None not in known else None


def _place(record: ResultRecord, fingerprint: str) -> Place:
    return fingerprint, record.identity.lm, record.site


def _preference(task: str) -> tuple[bool, str]:
    return task.partition("@")[0] != MEASURED_BY, task


def _members(record: ResultRecord) -> list[str]:
    members = record.subject.provenance.get("members")
    dicts = [member for member in members if isinstance(member, dict)] if isinstance(members, list) else []
    return [str(member.get("fingerprint")) for member in dicts]
