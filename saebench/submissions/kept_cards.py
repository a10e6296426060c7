"""Authors' cards beside accepted results: `RESULTS/submissions/NAME.json`, for whoever shows the results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from saebench.errors import ResultsError
from saebench.results.atomic import write_bytes
from saebench.submissions.card import SubmissionCard

FOLDER = "submissions"


def keep_card(card: SubmissionCard, results: Path) -> Path:
    """Write a card where readers of a results folder find it; an older one of its name is replaced.

    Raises:
        StorageError: the folder cannot be written.
    """
    file = results / FOLDER / f"{card.name}.json"
    write_bytes(file, card.model_dump_json(indent=1).encode() + b"\n")
    return file


def kept_cards(folders: Sequence[Path]) -> list[SubmissionCard]:
    """The cards of some results folders, each once, by name: the order of the folders never matters.

    Raises:
        ResultsError: a file is no card.
    """
    files = [file for folder in folders for file in (folder / FOLDER).glob("[!.]*.json")]
    cards = {card.model_dump_json(): card for card in map(_read, files)}
    return [card for _, card in sorted(cards.items(), key=lambda item: (item[1].name, item[0]))]


def _read(file: Path) -> SubmissionCard:
    try:
        return SubmissionCard.model_validate_json(file.read_bytes())
    except ValidationError as error:
        fault = error.errors()[0]
        raise ResultsError(
            f"no card of a submission: {fault['msg']}",
            file=file,
            field=".".join(str(part) for part in fault["loc"]),
            remedy="accept the submission again",
        ) from error
