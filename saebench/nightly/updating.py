"""A new reference: the panel scored under tonight's seeds and the confirming ones, kept with a reason."""

from __future__ import annotations

from datetime import UTC, datetime

from saebench.errors import UnitsFailed, UsageError
from saebench.nightly.code import running_code, who
from saebench.nightly.golden import golden_values
from saebench.nightly.night import Request, begin, card_of
from saebench.nightly.reference import Facts, Reference, declarations, read_reference, store_reference
from saebench.nightly.scoring import confirming_seeds, fresh_settings, score
from saebench.progress import Progress, Silent
from saebench.run.panel import load_panel
from saebench.run.suite import load_suite


def update_reference(request: Request, reason: str, progress: Progress | None = None) -> Reference:
    """Score the panel under the suite's seeds and the confirming ones, and keep that as the reference.

    Raises:
        UsageError: no reason is given.
        UnitsFailed: some units failed; the reference stays as it was.
    """
    if not reason.strip():
        raise UsageError("a new reference needs a reason, for whoever reads it later: --reason 'why scores changed'")
    progress = progress or Silent()
    suite, subjects = load_suite(request.suite), load_panel(request.panel)
    more = confirming_seeds(suite)
    _, folder = begin(request.out, "-reference")
    golden, golden_failures = golden_values()
    with fresh_settings(folder, request.machine) as settings:
        outcome = score(subjects, suite, settings, (*suite.eval_seeds, *more), progress)
    failures = (*golden_failures, *outcome.failures)
    if failures:
        first = failures[0]
        raise UnitsFailed(
            f"the reference stays as it was: {len(failures)} units failed, first '{first.subject}': {first.message}"
        )
    facts = Facts(
        panel=request.panel,
        suite=suite.label,
        reason=reason.strip(),
        by=who(),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        code=running_code(),
        eval_seeds=tuple(suite.eval_seeds),
        confirming_seeds=more,
        definitions=declarations(card_of(task) for task in dict.fromkeys(entry.task for entry in suite.tasks)),
    )
    store_reference(request.reference_folder, facts, golden, settings.out)
    return read_reference(request.reference_folder)
