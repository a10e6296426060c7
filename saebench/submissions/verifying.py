"""The verdict on a bundle: everything that it says follows, or what does not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from saebench.errors import SubmissionError
from saebench.submissions.bundle import Bundle, Scored, read_bundle
from saebench.submissions.checks import (
    check_identity,
    check_plain,
    check_shared,
    check_suite,
    check_whole,
    known_task,
)
from saebench.submissions.known import Known, SuiteLike
from saebench.submissions.layout import is_bundle_name
from saebench.submissions.recomputing import recompute

MOST = 50
"""Refusals and notes that are listed of one bundle."""


@dataclass(frozen=True)
class Verdict:
    """What was found in a bundle."""

    path: str
    bundle: Bundle | None
    """With recomputed metrics; None where it is refused."""
    refusals: tuple[SubmissionError, ...]
    notes: tuple[str, ...] = ()
    """What a maintainer should know although nothing is wrong."""

    @property
    def accepted(self) -> bool:
        """Nothing is refused."""
        return not self.refusals

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "path": self.path,
            "accepted": self.accepted,
            "name": self.bundle.name if self.bundle else None,
            "status": self.bundle.card.status if self.bundle else None,
            "results": len(self.bundle.results) if self.bundle else None,
            "refusals": [
                {"file": one.file, "field": one.field, "message": one.message, "remedy": one.remedy}
                for one in self.refusals
            ],
            "notes": list(self.notes),
        }


def verify(path: Path, known: Known) -> Verdict:
    """Read a folder or archive as hostile data and hold it against what this installation knows.

    Nothing is written, executed or unpickled, and no weights are read.
    """
    where = str(path) if is_bundle_name(path.name) else ascii(str(path))[1:-1]
    try:
        bundle = read_bundle(path)
    except SubmissionError as error:
        return Verdict(where, None, (error,))
    suite, refusals = check_suite(bundle, known)
    notes: list[str] = []
    results: list[Scored] = []
    if suite is None:
        return Verdict(where, None, tuple(refusals))
    for scored in bundle.results:
        if len(refusals) >= MOST:
            break
        checked, faults, odd = _check_result(scored, suite, known)
        results.append(checked)
        refusals += faults
        notes += odd
    if not refusals:
        held = [(one.items_file, one.record, one.tables) for one in bundle.results]
        refusals += islice(chain(check_whole(bundle, known, suite), check_shared(held, known)), MOST)
    if refusals:
        return Verdict(where, None, tuple(refusals[:MOST]), tuple(notes[:MOST]))
    return Verdict(where, replace(bundle, results=tuple(results)), (), tuple(notes[:MOST]))


def _check_result(
    scored: Scored, suite: SuiteLike, known: Known
) -> tuple[Scored, list[SubmissionError], tuple[str, ...]]:
    """The result with recomputed metrics, what is wrong with it, and what is odd."""
    try:
        task = known_task(scored, known)
    except SubmissionError as error:
        return scored, [error], ()
    again = recompute(scored, task)
    faults = [*check_plain(scored), *check_identity(scored, task, suite), *again.refusals]
    return replace(scored, record=scored.record.model_copy(update={"metrics": again.metrics})), faults, again.notes
