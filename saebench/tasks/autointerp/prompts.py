"""What the judge is told, version 1, and how its answers are read. Another wording is another version.

What is wanted stands last: a small judge that is told first and then sees excerpts copies the excerpts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from saebench.judges import Message, Question
from saebench.tasks.autointerp.texts import CLOSE, OPEN

EXPLAINER = (
    "You explain on what a unit of a neural network fires: "
    "on a word, a part of a word, a meaning, a topic or a position."
)
EXPLAIN = (
    f"The unit fires in these excerpts, the strongest first. The tokens on which it fires stand between {OPEN} and "
    f"{CLOSE}.\n\n{{excerpts}}\n\nWhat do the marked tokens, or what stands around them, have in common? "
    "Answer with one sentence of at most 30 words."
)
SCORER = "You decide which excerpts of text fit a description."
DETECT = (
    "Excerpts:\n{excerpts}\n\nDescription: {explanation}\n\nWhich excerpts hold something that fits the description? "
    "If there is none, answer None. Else answer with their numbers alone, separated by commas."
)
FUZZ = (
    f"Excerpts, with tokens marked by {OPEN} and {CLOSE}:\n{{excerpts}}\n\nDescription: {{explanation}}\n\n"
    "In some excerpts the marked tokens are those that the description is about, in the others they were chosen at "
    "random. In which excerpts do the marked tokens fit the description? If there is none, answer None. "
    "Else answer with their numbers alone, separated by commas."
)
ONLY_NUMBERS = "That cannot be read. Answer with numbers of excerpts, separated by commas, or with the word None."
ONLY_A_SENTENCE = "That is no answer. Answer with one sentence."
EXPLANATION_TOKENS = 80
SCORE_TOKENS = 60
FILLER = re.compile(r"[\[\](){}.:;#*\"'`]|\b(?:and|answers?|excerpts?|examples?|numbers?)\b")


def explain(excerpts: Sequence[str]) -> Question:
    """Ask for an explanation of marked excerpts."""
    told = EXPLAIN.format(excerpts=listed(excerpts))
    return Question((Message("system", EXPLAINER), Message("user", told)), max_tokens=EXPLANATION_TOKENS)


def detect(explanation: str, excerpts: Sequence[str]) -> Question:
    """Ask in which unmarked excerpts a latent of this explanation fires."""
    return _score(DETECT.format(explanation=explanation, excerpts=listed(excerpts)))


def fuzz(explanation: str, excerpts: Sequence[str]) -> Question:
    """Ask in which marked excerpts the marks are where a latent of this explanation fires."""
    return _score(FUZZ.format(explanation=explanation, excerpts=listed(excerpts)))


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


def _score(told: str) -> Question:
    return Question((Message("system", SCORER), Message("user", told)), max_tokens=SCORE_TOKENS)
