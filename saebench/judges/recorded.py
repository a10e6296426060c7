"""Judges over a record: one that asks what is not recorded yet, and one that only replays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from saebench.errors import InputError
from saebench.judges.contract import Answer, Question, Respondent, exchange_key
from saebench.judges.exchanges import Exchanges, judge_of


class RecordedJudge:
    """Asks a respondent what has no recorded answer, and records what comes, one exchange at a time.

    A recorded failure is no answer: it is asked again.
    """

    def __init__(self, respondent: Respondent, exchanges: Exchanges) -> None:
        self.identity = respondent.identity
        self._respondent = respondent
        self._exchanges = exchanges

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """An answer for each question; see `Judge`."""
        found: dict[Question, Answer] = {}
        for question in questions:
            known = self._exchanges.find(self._key(question))
            if known is not None and known.text is not None:
                found[question] = known
        missing = list(dict.fromkeys(question for question in questions if question not in found))
        for index, answer in self._respondent.answers(missing) if missing else ():
            question = missing[index]
            found[question] = self._exchanges.add(self.identity, self._respondent.content, question, answer)
        return [found[question] for question in questions]

    def _key(self, question: Question) -> str:
        return exchange_key(self.identity, self._respondent.content, question)


class ReplayJudge:
    """Answers from a file alone, as the judge that was recorded there did, failures included.

    Raises:
        InputError: the file is missing, holds no exchange, or those of several judges.
    """

    def __init__(self, path: Path) -> None:
        self.identity, self._content = judge_of(path)
        self._exchanges = Exchanges(path)

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """What is recorded; see `Judge`.

        Raises:
            InputError: a question was never asked.
        """
        answers = [self._exchanges.find(exchange_key(self.identity, self._content, one)) for one in questions]
        known = [answer for answer in answers if answer is not None]
        if len(known) < len(answers):
            raise InputError(
                f"{len(answers) - len(known)} of {len(answers)} questions are not recorded",
                file=self._exchanges.path,
                remedy="replay with the subject, data, seed and settings of the recorded run",
            )
        return known
