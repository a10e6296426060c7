"""Asking the judge, and once more where its answer cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from saebench.judges import Answer, Judge, Question
from saebench.tasks.autointerp.prompts import again

T = TypeVar("T")

SAID_NOTHING = "(nothing)"


@dataclass(frozen=True)
class Reading(Generic[T]):
    """What became of a question."""

    answer: Answer
    """The last one; its text is None where none came."""
    value: T | None
    """What was read in it, None where it cannot be read or did not come."""

    @property
    def answered(self) -> bool:
        """Whether the judge said anything, readable or not."""
        return self.answer.text is not None


def readings(
    judge: Judge, questions: Sequence[Question], read: Callable[[str], T | None], reminder: str
) -> list[Reading[T]]:
    """Ask all questions at once, then those again, with a reminder, whose answers cannot be read.

    A question whose second asking has no answer keeps its first, unreadable one.

    Raises:
        InputError: the judge cannot answer anything.
    """
    found = [_reading(answer, read) for answer in judge.ask(questions)]
    unread = [place for place, one in enumerate(found) if one.answered and one.value is None]
    second = [again(questions[place], found[place].answer.text or SAID_NOTHING, reminder) for place in unread]
    for place, answer in zip(unread, judge.ask(second), strict=True):
        if answer.text is not None:
            found[place] = _reading(answer, read)
    return found


def _reading(answer: Answer, read: Callable[[str], T | None]) -> Reading[T]:
    return Reading(answer, None if answer.text is None else read(answer.text))
