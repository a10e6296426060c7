"""Which results a user means: a folder, or a subject by its name, specification or path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from saebench.errors import ResultsError, UnknownName
from saebench.registry import near_misses
from saebench.results.schema import ResultRecord, SubjectRecord
from saebench.subjects.spec import parse, short_name

PARTIAL = ("baseline:", "control:")
"""Specifications of these need not name all of their parameters."""


def is_results_folder(path: Path) -> bool:
    """Whether results lie below a folder, as a run or an accepted submission leaves them."""
    return path.is_dir() and any(path.glob("*/*@*/*.json"))


def find(wanted: str, records: Sequence[ResultRecord]) -> list[ResultRecord]:
    """Results of the subjects that a user means: by name or specification, else by path, else by the name of a path.

    Parameters that the specification of a baseline or control leaves out may be any.

    Raises:
        ResultsError: a path that is neither a results folder nor a subject.
        UnknownName: nobody is meant.
    """
    for means in (_by_name, _by_parameters, _by_path, _by_last_part):
        found = [record for record in records if means(wanted, record.subject)]
        if found:
            return found
    if Path(wanted).is_dir() or ("/" in wanted and ":" not in wanted):
        said = "neither a folder of results nor a subject that was scored"
        raise ResultsError(said, file=wanted, remedy="'saebench ls results' lists what was scored")
    known = sorted({record.subject.name for record in records})
    raise UnknownName("subject", wanted, near_misses(wanted, dict.fromkeys(known)), known)


def _by_name(wanted: str, subject: SubjectRecord) -> bool:
    return wanted in (subject.name, subject.spec)


def _by_parameters(wanted: str, subject: SubjectRecord) -> bool:
    if not (wanted.startswith(PARTIAL) and subject.spec.startswith(PARTIAL)):
        return False
    asked, held = parse(wanted), parse(subject.spec)
    return (asked.prefix, asked.body) == (
        held.prefix,
        held.body,
    ) and asked.parameters.items() <= held.parameters.items()


def _by_path(wanted: str, subject: SubjectRecord) -> bool:
    return Path(wanted).exists() and Path(wanted).resolve() == Path(subject.spec).resolve()


def _by_last_part(wanted: str, subject: SubjectRecord) -> bool:
    return "/" in wanted and ":" not in wanted and short_name(wanted) == subject.name
