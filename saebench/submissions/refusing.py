"""Refusals: one clear sentence with file, field and remedy, in which strangers' text cannot misbehave."""

from __future__ import annotations

from saebench.errors import SubmissionError

SHOWN = 80
"""Characters of a stranger's text that a message quotes."""
AS_WRITTEN = "send the files as 'saebench submit' wrote them"
"""The remedy where no other is given."""


def shown(text: str) -> str:
    """Text of a stranger as part of a message: one line, cut short, whatever does not print escaped."""
    cut = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in cut)


def refusal(
    message: str, file: str | None = None, field: str | None = None, remedy: str = AS_WRITTEN
) -> SubmissionError:
    """The error to raise or to list. `message` must have passed through `shown` where it quotes the bundle."""
    return SubmissionError(
        message,
        file=None if file is None else shown(file),
        field=shown(field) if field else None,
        remedy=remedy,
    )
