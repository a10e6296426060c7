"""What a judge is: a chat model that answers questions with text, or says why there is no answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from saebench.fingerprint import digest

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Message:
    """One turn of a chat."""

    role: Role
    content: str


@dataclass(frozen=True)
class Question:
    """A chat that waits for its next turn. Judges answer at temperature 0; endpoints are also sent a seed, always 0."""

    messages: tuple[Message, ...]
    max_tokens: int = 256
    """Longest answer, in tokens of the judge."""

    def to_json(self) -> dict[str, Any]:
        """What is asked, as a JSON object."""
        return {
            "messages": [{"role": one.role, "content": one.content} for one in self.messages],
            "max_tokens": self.max_tokens,
            "temperature": 0,
            "seed": 0,
        }


@dataclass(frozen=True)
class Answer:
    """What came back. `text` is None where nothing did, and `failure` says why; an answer may be nonsense or empty."""

    text: str | None
    failure: str = ""
    exchange: str = field(default="", compare=False)
    """Key of the recorded exchange, 32 hex digits."""


class Judge(Protocol):
    """What tasks ask."""

    identity: str
    """Who answers: "openai:HOST#MODEL" or "hf:MODEL"; a replay has the recorded one. Part of a result's identity."""

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """An answer for each question, in order. Equal questions are asked once.

        Raises:
            InputError: no question can be answered, whatever it is (refused key, unknown model, not recorded).
            StorageError: the record cannot be written.
        """


class Respondent(Protocol):
    """Where answers come from, before they are recorded."""

    identity: str
    content: str
    """Hash of what decides the answers beside `identity`, "" where it is not known (an endpoint)."""

    def answers(self, questions: Sequence[Question]) -> Iterator[tuple[int, Answer]]:
        """(index of the question, answer) in whatever order they come."""


def exchange_key(identity: str, content: str, question: Question) -> str:
    """32 hex digits over who is asked what."""
    return digest({"judge": identity, "content": content, "question": question.to_json()})
