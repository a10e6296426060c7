"""What the judge is told, version 1, and how its answers are read. Another wording is another version."""

from __future__ import annotations

import re
from collections.abc import Sequence

from saebench.judges import Message, Question
from saebench.tasks.autointerp.texts import CLOSE, OPEN

EXPLAIN = (
    "A unit of a neural network reads text and fires on some tokens. You will see excerpts in which it fires, the "
    f"strongest first; the tokens on which it fires stand between {OPEN} and {CLOSE}. Say what the marked tokens, or "
    "what stands around them, have in common: a word, a part of a word, a meaning, a topic or a position. Answer with "
    "one sentence of at most 30 words, and nothing else."
)
DETECT = (
    "A unit of a neural network fires on some texts. You will see a description of what it fires on, and then numbered "
    "excerpts. Decide for each excerpt whether it holds something that fits the description. Answer with the numbers "
    "of those that do, separated by commas, or with the word None. Write nothing else."
)
FUZZ = (
    "A unit of a neural network fires on some tokens. You will see a description of what it fires on, and numbered "
    f"excerpts with tokens between {OPEN} and {CLOSE}. In some of them these are the tokens on which it fires, in the "
    "others they were chosen at random. Decide for each excerpt whether the marked tokens fit the description. Answer "
    "with the numbers of those where they do, separated by commas, or with the word None. Write nothing else."
)
ONLY_NUMBERS = "That cannot be read. Answer with numbers of excerpts, separated by commas, or with the word None."
ONLY_A_SENTENCE = "That is no answer. Answer with one sentence."
EXPLANATION_TOKENS = 80
SCORE_TOKENS = 60
FILLER = re.compile(r"[\[\](){}.:;#*\"'`]|\b(?:and|answers?|excerpts?|examples?|numbers?)\b")


def explain(excerpts: Sequence[str]) -> Question:
    """Ask for an explanation of marked excerpts."""
    return Question((Message("system", EXPLAIN), Message("user", listed(excerpts))), max_tokens=EXPLANATION_TOKENS)


def detect(explanation: str, excerpts: Sequence[str]) -> Question:
    """Ask in which unmarked excerpts a latent of this explanation fires."""
    return _score(DETECT, explanation, excerpts)


def fuzz(explanation: str, excerpts: Sequence[str]) -> Question:
    """Ask in which marked excerpts the marks are where a latent of this explanation fires."""
    return _score(FUZZ, explanation, excerpts)


def again(question: Question, said: str, reminder: str) -> Question:
    """The same question after an answer that could not be read."""
    turns = (*question.messages, Message("assistant", said), Message("user", reminder))
    return Question(turns, max_tokens=question.max_tokens)


def listed(excerpts: Sequence[str]) -> str:
    """Numbered lines."""
    return "\n".join(f"{number}. {text}" for number, text in enumerate(excerpts, start=1))


def read_explanation(text: str) -> str | None:
    """The first line that says something, or None."""
    return next((line.strip() for line in text.splitlines() if re.search(r"\w", line)), None)


def read_numbers(text: str, count: int) -> frozenset[int] | None:
    """The numbers that an answer names, none of them for "None"; None where it cannot be read.

    The whole answer is read, and its last line where the whole cannot be.

    Args:
        text: the answer.
        count: numbers go from 1 to this.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    whole = _numbers(" ".join(lines), count)
    return _numbers(lines[-1], count) if whole is None else whole


def _numbers(text: str, count: int) -> frozenset[int] | None:
    words = FILLER.sub(" ", text.lower()).replace(",", " ").split()
    if words == ["none"]:
        return frozenset()
    if not words or not all(word.isascii() and word.isdigit() for word in words):
        return None
    named = frozenset(map(int, words))
    return named if named <= set(range(1, count + 1)) else None


def _score(task: str, explanation: str, excerpts: Sequence[str]) -> Question:
    told = f"Description: {explanation}\n\nExcerpts:\n{listed(excerpts)}"
    return Question((Message("system", task), Message("user", told)), max_tokens=SCORE_TOKENS)
