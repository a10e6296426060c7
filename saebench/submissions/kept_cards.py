"""Authors' cards beside accepted results, as they were sent: `RESULTS/submissions/NAME-FINGERPRINT.yaml`.

The first eight digits of the fingerprint keep the cards apart where one name was used for other weights again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from saebench.errors import ResultsError, SubmissionError
from saebench.results.atomic import write_bytes
from saebench.submissions.card import SubmissionCard, parse_card

FOLDER = "submissions"
DIGITS = 8
REMEDY = "accept the submission again"


def keep_card(card: SubmissionCard, data: bytes, results: Path) -> Path:
    """Write a card where readers of a results folder find it; an older one for the same weights is replaced.

    Args:
        card: what it says.
        data: the file as it was sent.
        results: the folder.

    Raises:
        StorageError: the folder cannot be written.
    """
    file = results / FOLDER / f"{card.name}-{card.subject[:DIGITS]}.yaml"
    write_bytes(file, data)
    return file


def kept_cards(folders: Sequence[Path]) -> list[SubmissionCard]:
    """The cards of some results folders, each once, by name: the order of the folders never matters.

    Raises:
        ResultsError: a file cannot be read, or would not be taken as the card of a submission.
    """
    files = [file for folder in folders for file in (folder / FOLDER).glob("[!.]*.yaml")]
    cards = {card.model_dump_json(): card for card in map(_read, files)}
    return [card for _, card in sorted(cards.items(), key=lambda item: (item[1].name, item[0]))]


def _read(file: Path) -> SubmissionCard:
    """By the rules by which it was taken."""
    try:
        return parse_card(file.read_bytes(), file.stem[: -DIGITS - 1])
    except OSError as error:
        raise ResultsError(f"cannot be read ({error.strerror})", file=file, remedy=REMEDY) from error
    except SubmissionError as error:
        message = f"no card of a submission: {error.message}"
        raise ResultsError(message, file=file, field=error.field, remedy=REMEDY) from error
