"""What the author of a submission says of it, for the page of the subject: a stranger's words, shown as they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from saebench.report.view import Board
from saebench.submissions.card import QUESTIONS, SubmissionCard
from saebench.submissions.kept_cards import kept_cards

ADDRESS = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?([/?#][!-~]*)?", re.IGNORECASE | re.ASCII)
"""Nothing but the address of a page, without a user in it: what is read before the first slash is where it leads."""


@dataclass(frozen=True)
class Answer:
    """One field of the card."""

    term: str
    text: str
    address: str | None
    """Where the whole text is the http(s) address of a page: itself."""


def author_cards(boards: Sequence[Board], folders: Sequence[Path]) -> dict[str, list[SubmissionCard]]:
    """The cards of the subjects that submissions are about, by the name of their page.

    Args:
        boards: the subjects.
        folders: results folders, which keep the cards of what was accepted into them.

    Raises:
        ResultsError: a card is damaged or cannot be read.
    """
    kept = kept_cards(folders)
    found: dict[str, list[SubmissionCard]] = {}
    for board in boards:
        for row in board.rows if kept else ():
            names = {record.submission.name for record in board.records(row) if record.submission}
            if own := [card for card in kept if card.name in names and card.subject == row.fingerprint]:
                found[row.page] = own
    return found


def answers(card: SubmissionCard) -> list[Answer]:
    """The fields that the author filled in, in the order of the card."""
    texts = {"submission": card.name, **{field: getattr(card, field).strip() for field in QUESTIONS}}
    return [Answer(field.replace("_", " ").capitalize(), text, address_of(text)) for field, text in texts.items()]


def address_of(text: str) -> str | None:
    """The text itself where it is the address of a page."""
    return text if ADDRESS.fullmatch(text) else None
