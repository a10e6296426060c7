"""Does a bundle hang together? Identity, suite, completeness, items that subjects share: one refusal for each fault."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from pydantic import ValidationError

from saebench.errors import SubmissionError, UnknownName, UsageError
from saebench.fingerprint import digest
from saebench.results.identity import result_id
from saebench.results.items import ItemTable
from saebench.results.schema import ResultRecord
from saebench.submissions import limits
from saebench.submissions.bundle import Bundle, Scored
from saebench.submissions.known import Known, KnownTask, SuiteLike, TaskEntryLike
from saebench.submissions.layout import CARD, SUITE
from saebench.submissions.refusing import refusal, shown

AGAIN = "run 'saebench submit' with this version of saebench"
FORMULA = "=+-@"
"""First characters that make a spreadsheet compute a cell."""
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")


def check_suite(bundle: Bundle, known: Known) -> tuple[SuiteLike | None, list[SubmissionError]]:
    """The suite, and what is wrong with it: a name that ships with saebench must be that very suite."""
    try:
        suite = known.suite(bundle.suite)
    except ValidationError as error:
        fault = error.errors()[0]
        return None, [refusal(fault["msg"], SUITE, ".".join(map(str, fault["loc"])))]
    for entry in suite.tasks:
        try:
            known.task(entry.task)
        except UnknownName:
            message = f"there is no task '{shown(entry.task)}'"
            return None, [refusal(message, SUITE, "tasks", "'saebench ls tasks' lists those that are known")]
    for control in suite.controls:
        try:
            known.kind_of_control(control)
        except (UnknownName, UsageError):
            message = f"'{shown(control)}' is no control"
            return None, [refusal(message, SUITE, "controls", "name controls as control:, baseline:, set: or pair:")]
    packaged = known.packaged(suite.name)
    if packaged is not None and packaged != suite:
        message = f"'{shown(suite.label)}' is not suite {packaged.label} as it ships with saebench"
        return None, [refusal(message, SUITE, "name", f"{AGAIN}, or give a suite of your own another name")]
    return suite, []


def known_task(scored: Scored, known: Known) -> KnownTask:
    """The task of a result.

    Raises:
        SubmissionError: it is not installed here, or with other metric definitions.
    """
    try:
        task = known.task(scored.record.task)
    except UnknownName as error:
        message = f"there is no task '{shown(scored.record.task)}'"
        raise refusal(message, scored.file, "task", "'saebench ls tasks' lists those that are known") from error
    if scored.record.identity.metrics != task.card.fingerprint():
        message = f"other metric definitions than those of {task.card.name} here"
        raise refusal(message, scored.file, "identity.metrics", AGAIN)
    return task


def check_identity(scored: Scored, task: KnownTask, suite: SuiteLike) -> Iterator[SubmissionError]:
    """The id follows from the identity, and the identity from the rest of the result and the suite."""
    record, identity = scored.record, scored.record.identity
    if record.id != result_id(identity):
        yield refusal("the id is not the hash of the identity", scored.file, "id", "it was edited or mixed up")
    model, first = record.model, record.data[0] if record.data else None
    for field, stated, expected in (
        ("identity.task", identity.task, record.task),
        ("identity.subject", identity.subject, record.subject.fingerprint),
        ("identity.site", identity.site, record.site),
        ("identity.eval_seed", identity.eval_seed, record.eval_seed),
        ("identity.data", identity.data, {one.part: one.fingerprint for one in record.data}),
        ("identity.packing", identity.packing, first.packing if first else {}),
        ("identity.mask_rule", identity.mask_rule, first.mask_rule if first else None),
        ("identity.tokenizer", identity.tokenizer, model.tokenizer_hash if model else None),
        ("identity.dtype", identity.dtype, f"{model.compute_dtype}/{model.store_dtype}" if model else None),
        ("suite", record.suite, suite.label),
        ("submission", record.submission, None),
    ):
        if stated != expected:
            message = f"'{shown(str(stated))}' contradicts the rest of the bundle, which says '{shown(str(expected))}'"
            yield refusal(message, scored.file, field, AGAIN)
    if identity.dtype != f"{suite.dtype}/{suite.store_dtype}":
        yield refusal(f"the suite is computed in {suite.dtype}", scored.file, "identity.dtype", AGAIN)
    if identity.eval_seed not in suite.eval_seeds:
        yield refusal("the suite has no such eval_seed", scored.file, "eval_seed", AGAIN)
    if record.subject.kind not in task.takes:
        yield refusal(f"{task.card.name} takes no {record.subject.kind}", scored.file, "subject.kind", AGAIN)
    yield from _parameters(scored, task, suite)


def _parameters(scored: Scored, task: KnownTask, suite: SuiteLike) -> Iterator[SubmissionError]:
    params = scored.record.identity.params
    try:
        resolved = task.parameters.model_validate(params).model_dump(mode="json")
    except ValidationError as error:
        fault = error.errors()[0]
        yield refusal(fault["msg"], scored.file, ".".join(["identity.params", *map(str, fault["loc"])]), AGAIN)
        return
    if resolved != params:
        yield refusal("not all parameters of the task", scored.file, "identity.params", AGAIN)
    if not any(_is_entry(scored.record, entry) for entry in suite.tasks):
        yield refusal("the suite has no such task with such parameters", scored.file, "task", AGAIN)


def _is_entry(record: ResultRecord, entry: TaskEntryLike) -> bool:
    params = record.identity.params
    return record.task == entry.task and all(params.get(key) == value for key, value in entry.params.items())


def check_plain(scored: Scored) -> Iterator[SubmissionError]:
    """Fields that tables, plots and trackers read have the size and kind that they count on."""
    record, subject = scored.record, scored.record.subject
    texts = {
        "subject.name": subject.name,
        "subject.spec": subject.spec,
        "subject.architecture": subject.architecture,
        "site": record.site or "none",
        "model.name": record.model.name if record.model else "none",
        **{f"metrics.{name}.undefined": value.undefined or "none" for name, value in record.metrics.items()},
    }
    for field, text in texts.items():
        most = limits.NAME if field == "subject.name" else limits.LONG_LINE
        if not 0 < len(text) <= most or not text.isprintable():
            yield refusal(f"must be a printable line of at most {most:,} characters", scored.file, field)
        elif text[0] in FORMULA:
            message = f"must not begin with {text[0]}: a spreadsheet would take it for a formula"
            yield refusal(message, scored.file, field)
    for field, number in (("subject.d_in", subject.d_in), ("subject.d_dict", subject.d_dict)):
        if number is not None and number < 1:
            yield refusal("must be positive", scored.file, field)
    if not isinstance(subject.provenance.get("train_seed"), int | None):
        yield refusal("must be a whole number", scored.file, "subject.provenance.train_seed")
    for field, time in (("started", record.provenance.started), ("finished", record.provenance.finished)):
        if not _is_time(time):
            yield refusal("must be a time in UTC, as 2026-11-20T10:00:00+00:00", scored.file, f"provenance.{field}")
    yield from _items_named(scored)


def _items_named(scored: Scored) -> Iterator[SubmissionError]:
    """What the result says of its file of per-item scores."""
    named = scored.record.items
    rows = {name: len(table.items) for name, table in scored.tables.items()}
    if named is None or named.file != f"{scored.record.id}.jsonl":
        yield refusal("must name the file of per-item scores", scored.file, "items.file")
    elif named.tables != rows or named.rows != sum(rows.values()):
        yield refusal("are not the tables of the file of per-item scores", scored.file, "items.tables", AGAIN)
    elif named.sha256 != scored.items_sha256:
        yield refusal("is not the hash of the file of per-item scores", scored.file, "items.sha256", AGAIN)


def _is_time(text: str) -> bool:
    try:
        return TIME.fullmatch(text) is not None and datetime.fromisoformat(text) is not None
    except ValueError:
        return False


def check_whole(bundle: Bundle, known: Known, suite: SuiteLike) -> Iterator[SubmissionError]:
    """One subject with all that the suite asks of it, and controls beside it."""
    own = bundle.own
    if not own:
        yield refusal("no result is of this subject", CARD, "subject", AGAIN)
        return
    first = own[0].record.subject
    for scored in own:
        if scored.record.subject != first:
            yield refusal("the subject is described differently in another result", scored.file, "subject", AGAIN)
        if scored.record.subject.role is not None or scored.record.subject.spec.startswith("control:"):
            yield refusal("a control is no submission", scored.file, "subject.role", "submit a dictionary")
    if first.name != bundle.card.name:
        yield refusal("the subject has another name than the card", own[0].file, "subject.name", AGAIN)
    for scored in bundle.results:
        if scored.record.subject.fingerprint != bundle.card.subject and not _is_company(scored.record):
            yield refusal(
                "neither the subject nor a control or baseline", scored.file, "subject", "one submission, one subject"
            )
    yield from _missing(own, known, suite)
    yield from _alone(bundle, own, known, suite)


def _is_company(record: ResultRecord) -> bool:
    return record.subject.role is not None or record.subject.spec.startswith("baseline:")


def _missing(own: Sequence[Scored], known: Known, suite: SuiteLike) -> Iterator[SubmissionError]:
    """Results that the suite asks for and the bundle does not hold, at each site that it holds any of."""
    kind = own[0].record.subject.kind
    for site in dict.fromkeys(scored.record.site for scored in own):
        for entry in suite.tasks:
            if kind not in known.task(entry.task).takes:
                continue
            there = {
                scored.record.eval_seed
                for scored in own
                if scored.record.site == site and _is_entry(scored.record, entry)
            }
            for seed in sorted(set(suite.eval_seeds) - there):
                message = f"suite {suite.label} asks for {entry.task} at eval_seed {seed}, which is not there"
                yield refusal(message, "results", remedy="send all results of the suite, the weak ones too")


def _alone(bundle: Bundle, own: Sequence[Scored], known: Known, suite: SuiteLike) -> Iterator[SubmissionError]:
    """Results beside which no control of the suite stands, of those whose task takes one of its controls."""
    kinds = {known.kind_of_control(control) for control in suite.controls}
    scopes = {_scope(scored.record) for scored in bundle.results if scored.record.subject.role is not None}
    for scored in own:
        if kinds & set(known.task(scored.record.task).takes) and _scope(scored.record) not in scopes:
            yield refusal("no control of the suite stands beside this result", scored.file, remedy=AGAIN)


def _scope(record: ResultRecord) -> str:
    """What results have in common whose items may be compared one by one."""
    return digest(record.identity.model_dump(mode="json", exclude={"subject", "batch_size"}))


def check_shared(
    results: Iterable[tuple[str, ResultRecord, Mapping[str, ItemTable]]], known: Known
) -> Iterator[SubmissionError]:
    """Items that a card declares shared are the same, in the same clusters, for every subject of a scope.

    Args:
        results: a name for messages, the record and its tables; the first of a scope is the measure for the others.
        known: the registries.
    """
    measure: dict[tuple[str, str], dict[str, str]] = {}
    for file, record, tables in results:
        for name in known.task(record.task).card.paired_by:
            if name in tables:
                clusters = dict(zip(tables[name].items, tables[name].clusters, strict=True))
                expected = measure.setdefault((_scope(record), name), clusters)
                if clusters != expected:
                    message = "other items or clusters than other subjects have on the same data"
                    yield refusal(message, file, f"{name}.item", AGAIN)
