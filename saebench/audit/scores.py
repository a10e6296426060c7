"""From results of one task under several seeds to a matrix of scores, and what is known of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saebench.results.schema import ResultRecord
from saebench.stats.clusters import FloatArray

TRAINED = "trained"


@dataclass(frozen=True)
class Audited:
    """One subject with its result under each seed, in the order of the seeds."""

    name: str
    role: str
    """A control's role, "baseline", "trained", or "mixed" for a group of several."""
    family: str
    """What two subjects share that differ in training length alone; empty where it is not known."""
    tokens: int | None
    """Training length."""
    records: tuple[ResultRecord, ...]

    def scores(self, metric: str) -> list[float] | None:
        """The metric under each seed; None where one is undefined."""
        values = [record.metrics[metric].value for record in self.records]
        return None if None in values else [float(value or 0.0) for value in values]


def audited(records: Sequence[ResultRecord], seeds: Sequence[int]) -> list[Audited]:
    """Subjects that have a result under every seed, in the order in which they come."""
    by_subject: dict[str, dict[int, ResultRecord]] = {}
    for record in records:
        by_subject.setdefault(record.subject.fingerprint, {})[record.eval_seed] = record
    found = []
    for own in by_subject.values():
        if set(own) == set(seeds):
            first = own[seeds[0]]
            family, tokens = training_of(first)
            found.append(
                Audited(first.subject.name, role_of(first), family, tokens, tuple(own[seed] for seed in seeds))
            )
    return found


def role_of(record: ResultRecord) -> str:
    """The control's role; "baseline" for a fitted one; else "trained". A group has its members', or is "mixed"."""
    members = record.subject.provenance.get("members") or [{"role": record.subject.role, "spec": record.subject.spec}]
    roles = {
        member["role"] or ("baseline" if member["spec"].startswith("baseline:") else TRAINED) for member in members
    }
    return roles.pop() if len(roles) == 1 else "mixed"


def training_of(record: ResultRecord) -> tuple[str, int | None]:
    """(family, training tokens) of a subject; a set has those of its members, where they agree on the length.

    A family is an architecture, a width, a seed and a folder's name: the trainer's folders say the sparsity.
    """
    members = record.subject.provenance.get("members")
    own: list[dict[str, Any]] = members or [record.subject.model_dump(mode="json")]
    lengths = {one["provenance"].get("tokens") for one in own}
    alike = [
        (one["architecture"], one["d_dict"], Path(one["spec"]).name, one["provenance"].get("train_seed")) for one in own
    ]
    tokens = lengths.pop() if len(lengths) == 1 else None
    return (repr(alike), int(tokens)) if tokens is not None else ("", None)


def matrix(subjects: Sequence[Audited], metric: str, sign: int = 1) -> tuple[FloatArray, list[Audited]]:
    """Scores `[subjects, seeds]` times `sign`, and the subjects that have them all."""
    kept = [(one, values) for one in subjects if (values := one.scores(metric)) is not None]
    scores = np.array([values for _, values in kept], dtype=np.float64)
    return sign * scores, [one for one, _ in kept]
