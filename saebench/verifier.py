"""Submissions held against this installation: its registries for a verifier, and bundles read like results folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from saebench.errors import SubmissionError, UsageError
from saebench.run.suite import Suite, load_suite, suite_names
from saebench.subjects import kind_of
from saebench.subjects.spec import GROUPS
from saebench.submissions.accepting import accept
from saebench.submissions.known import Known, KnownTask
from saebench.submissions.layout import MANIFEST
from saebench.tasks import TASKS


def known() -> Known:
    """The registries of this installation, for a verifier."""
    return Known(
        task=_known_task,
        suite=Suite.model_validate,
        packaged=lambda name: load_suite(name) if name in suite_names() else None,
        kind_of_control=_kind_of_control,
    )


def _known_task(name: str) -> KnownTask:
    task = TASKS.get(name)
    ranges = {metric.name: (metric.low, metric.high) for metric in task.card.metrics}
    return KnownTask(task.card, task.takes, task.parameters, ranges)


def _kind_of_control(text: str) -> str:
    """A stranger's text: no file is looked for."""
    if text.partition(":")[0] not in {"control", "baseline", *GROUPS}:
        raise UsageError(f"'{text}' is no control")
    return kind_of(text)


@contextmanager
def with_accepted(given: Sequence[str]) -> Iterator[list[str]]:
    """The same with all bundles among them replaced by one results folder, which is there as long as the block lasts.

    What the results folders among them agree with is reproduced in it.

    Raises:
        SubmissionError: a bundle is refused.
    """
    bundles = [one for one in given if is_bundle(Path(one))]
    rest = [one for one in given if one not in bundles]
    if not bundles:
        yield rest
        return
    with TemporaryDirectory(prefix="saebench-accepted-") as scratch:
        out = Path(scratch) / "results"
        for one in bundles:
            refusals = accept(Path(one), out, known(), [Path(other) for other in rest]).verdict.refusals
            if refusals:
                remedy = f"'saebench submit verify {one}' says more"
                raise SubmissionError(f"the submission is refused: {refusals[0]}", file=one, remedy=remedy)
        yield [*rest, str(out)]


def is_bundle(path: Path) -> bool:
    """Whether a path looks like a submission: a folder with a manifest, or an archive."""
    return (path / MANIFEST).is_file() or (path.is_file() and path.name.endswith((".zip", ".tar.gz", ".tgz")))
