"""From a verified bundle to a results folder of ours, in which a result says what stands behind it.

A result is `self-reported` at first. `saebench run` does not take such a result for done: it scores the unit anew, and
when the bundle is accepted again and the numbers agree, the result is `reproduced` and keeps the numbers of the run
here. What contradicts a result that is already there is refused. The author's card is kept beside the results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from saebench.errors import SubmissionError
from saebench.results.folders import ResultFolders
from saebench.results.schema import ResultRecord, SubmissionRecord
from saebench.results.scopes import scopes_of
from saebench.results.store import ResultStore
from saebench.submissions import limits
from saebench.submissions.bundle import Bundle
from saebench.submissions.checks import check_shared
from saebench.submissions.kept_cards import keep_card
from saebench.submissions.known import Known
from saebench.submissions.recomputing import ENDS, agree
from saebench.submissions.refusing import refusal, shown
from saebench.submissions.verifying import Verdict, verify


@dataclass(frozen=True)
class Accepted:
    """What became of one bundle."""

    verdict: Verdict
    """With the refusals that come from results already there."""
    written: tuple[ResultRecord, ...] = ()
    """Results of the submitted subject."""

    @property
    def reproduced(self) -> int:
        """How many of them a run here agrees with."""
        statuses = [record.submission.status for record in self.written if record.submission is not None]
        return statuses.count("reproduced")


def accept(path: Path, out: Path, known: Known, beside: Sequence[Path] = ()) -> Accepted:
    """Verify the bundle at `path` and put its results and its card into the results folder `out`.

    Args:
        path: folder or archive.
        out: where accepted results go; what it holds already must agree.
        known: the registries.
        beside: further results folders that must agree, to be read only.

    Raises:
        ResultsError: a result in one of the folders is damaged.
        StorageError: `out` cannot be written.
    """
    verdict = verify(path, known)
    if verdict.bundle is None:
        return Accepted(verdict)
    folders = [folder for folder in (out, *beside) if folder.is_dir()]
    reader = ResultFolders(folders) if folders else None
    there = {record.id: record for record in reader.all()} if reader else {}
    refusals = list(_contradictions(verdict.bundle, there))
    if reader:
        refusals += _strangers(verdict.bundle, there, reader, known)
    if refusals:
        return Accepted(Verdict(verdict.path, None, tuple(refusals), verdict.notes))
    store = ResultStore(out)
    written = []
    for scored in verdict.bundle.results:
        own = scored.record.subject.fingerprint == verdict.bundle.card.subject
        existing = there.get(scored.record.id)
        if existing is None:
            sent = SubmissionRecord(name=verdict.bundle.name, status="self-reported")
            record = store.write(scored.record.model_copy(update={"submission": sent}), scored.tables)
        elif reader and own and existing.submission is None:
            again = SubmissionRecord(name=verdict.bundle.name, status="reproduced")
            public = existing.subject.model_copy(
                update={"name": scored.record.subject.name, "spec": scored.record.subject.spec}
            )
            record = existing.model_copy(update={"submission": again, "subject": public})
            record = store.write(record, reader.items(existing))
        else:
            record = existing
        if own:
            written.append(record)
    keep_card(verdict.bundle.card, verdict.bundle.card_file, out)
    return Accepted(verdict, tuple(written))


def _contradictions(bundle: Bundle, there: Mapping[str, ResultRecord]) -> Iterator[SubmissionError]:
    """Results that are already there with other numbers, or that another submission has sent."""
    own = {scored.record.id for scored in bundle.own}
    for scored in bundle.results:
        existing = there.get(scored.record.id)
        if existing is None:
            continue
        source = existing.submission
        if source is not None and source.name != bundle.name and scored.record.id in own:
            yield refusal(f"this result came with submission '{source.name}' already", scored.file, "id")
        for name, value in existing.metrics.items():
            stated = scored.record.metrics[name]
            for end in ENDS:
                before, now = getattr(value, end), getattr(stated, end)
                if not agree(now, before, limits.REPRODUCED):
                    whose = f"submission '{source.name}'" if source is not None else "the run here"
                    message = f"{now}, and {whose} has {before} for the same result"
                    remedy = f"find out which is right: {shown(existing.subject.name)}, {existing.id}"
                    yield refusal(message, scored.file, f"metrics.{name}.{end}", remedy)
                    break


def _strangers(
    bundle: Bundle, there: Mapping[str, ResultRecord], store: ResultStore, known: Known
) -> Iterator[SubmissionError]:
    """Shared items that differ from those of results that are already there."""
    new = {scored.record.id: scored for scored in bundle.results if scored.record.id not in there}
    for entrants in scopes_of([*there.values(), *(scored.record for scored in new.values())]).values():
        records = [record for entrant in entrants for record in entrant.records]
        seeds = {record.eval_seed for record in records if record.id in new}
        mates = [record for record in records if record.id in there and record.eval_seed in seeds]
        beside = [(str(store.locate(record)), record, store.items(record)) for record in mates]
        fresh = [(new[record.id].items_file, record, new[record.id].tables) for record in records if record.id in new]
        yield from check_shared([*beside, *fresh], known)
