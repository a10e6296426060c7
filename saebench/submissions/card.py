"""`submission.yaml`: what the author says about a submission, and the fingerprint of what was scored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from saebench.submissions.layout import CARD, NAME_RULE, is_bundle_name
from saebench.submissions.refusing import refusal, shown
from saebench.submissions.strict_yaml import parse_yaml

PLACEHOLDER = "TODO"
PLACEHOLDERS = re.compile(
    r"(?i)\b(todo|tbd|fixme|xxx+|lorem ipsum|your name|fill (me )?in|placeholder)\b|example\.(com|org|net)|^\W*$|^<.*>$"
)
LONGEST = 2000
QUESTIONS = {
    "authors": "who made it, as it should be cited",
    "contact": "where a maintainer may ask: an address, a handle or a page",
    "paper": "title or link of the paper or report; 'none' where there is none",
    "licence": "of the weights, as Apache-2.0",
    "training_data": "what it was trained on, with version and size",
    "weights": "where the weights can be had, so that others can reproduce the numbers; 'not published' if nowhere",
}
"""What the author is asked, in the order of the file."""

Text = Annotated[str, Field(min_length=1, max_length=LONGEST)]


class SubmissionCard(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    """Of the folder, and of the subject on the leaderboard."""
    authors: Text
    contact: Text
    paper: Text
    licence: Text
    training_data: Text
    weights: Text
    subject: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    """Fingerprint of what was scored: a hash of its tensors and of all that changes its codes."""
    status: Literal["self-reported"]
    """Only a maintainer's own results make it `reproduced`."""


def card_text(name: str, subject: str, answers: Mapping[str, str]) -> bytes:
    """The file, with a placeholder for each question that `answers` leaves open."""
    lines = [
        "# What the leaderboard says about this submission. Fill in what says TODO, then run the same command again."
    ]
    fields = {"name": name, **{key: answers.get(key, f"{PLACEHOLDER}: {asked}") for key, asked in QUESTIONS.items()}}
    for key, value in {**fields, "subject": subject, "status": "self-reported"}.items():
        if key in QUESTIONS and key in answers:
            lines.append(f"# {QUESTIONS[key]}")
        lines.append(yaml.safe_dump({key: value}, allow_unicode=True, width=110).rstrip("\n"))
    return ("\n".join(lines) + "\n").encode()


def open_questions(answers: Mapping[str, Any]) -> list[str]:
    """Fields that are not answered, or still hold a placeholder."""
    return [key for key in QUESTIONS if not isinstance(answers.get(key), str) or is_placeholder(str(answers[key]))]


def is_placeholder(text: str) -> bool:
    """Whether a text says nothing."""
    return bool(PLACEHOLDERS.search(text.strip()))


def parse_card(data: bytes, bundle: str) -> SubmissionCard:
    """The card of the bundle called `bundle`.

    Raises:
        SubmissionError: it is not a card, is not filled in, or has another name.
    """
    try:
        card = SubmissionCard.model_validate(parse_yaml(data, CARD))
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(map(str, fault["loc"]))
        remedy = (
            f"say {QUESTIONS[field]}" if field in QUESTIONS else f"fields: {', '.join(SubmissionCard.model_fields)}"
        )
        raise refusal(fault["msg"], CARD, field, remedy) from error
    if not is_bundle_name(card.name):
        raise refusal(f"'{shown(card.name)}' is no name of a submission", CARD, "name", f"use {NAME_RULE}")
    if card.name != bundle:
        raise refusal(f"the folder is called '{bundle}', the card says '{card.name}'", CARD, "name", "use one name")
    for field, asked in QUESTIONS.items():
        if is_placeholder(getattr(card, field)):
            raise refusal(f"'{shown(getattr(card, field))}' is not filled in", CARD, field, f"say {asked}")
    return card
