"""A bundle in memory: parsed, each part sound by itself, nothing held against anything else yet."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from saebench.errors import ResultsError, SubmissionError
from saebench.results.items import ItemTable
from saebench.results.migrations import migrate
from saebench.results.schema import ResultRecord
from saebench.submissions import limits
from saebench.submissions.card import SubmissionCard, parse_card
from saebench.submissions.files import read_files
from saebench.submissions.item_lines import from_lines
from saebench.submissions.layout import CARD, ENVIRONMENT, RESULT, SUITE, too_large
from saebench.submissions.manifest import check_manifest
from saebench.submissions.refusing import AS_WRITTEN, refusal, shown
from saebench.submissions.strict_json import parse_json
from saebench.submissions.strict_yaml import parse_yaml

Short = Annotated[str, Field(min_length=1, max_length=limits.NAME)]


class Environment(BaseModel):
    """`environment.json`: the software that made the results."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    saebench: Short
    python: Short
    platform: Short
    packages: dict[Short, Short]
    """Distribution to version."""


@dataclass(frozen=True)
class Scored:
    """One result with its items."""

    record: ResultRecord
    tables: Mapping[str, ItemTable]
    items_sha256: str
    """Of the file of items."""

    @property
    def file(self) -> str:
        """Its path inside the bundle."""
        return f"results/{self.record.id}.json"

    @property
    def items_file(self) -> str:
        """The path of its items."""
        return f"items/{self.record.id}.jsonl"


@dataclass(frozen=True)
class Bundle:
    """Everything that a bundle says."""

    name: str
    card: SubmissionCard
    card_file: bytes
    """As it was sent."""
    suite: Mapping[str, Any]
    """Content of the suite file."""
    environment: Environment
    results: tuple[Scored, ...]
    """By id."""

    @property
    def own(self) -> list[Scored]:
        """Results of the subject that is submitted; the others are of controls."""
        return [scored for scored in self.results if scored.record.subject.fingerprint == self.card.subject]


def read_bundle(path: Path) -> Bundle:
    """The bundle in a folder or an archive.

    Raises:
        SubmissionError: it is hostile, damaged or not complete.
    """
    name, files = read_files(path)
    return parse_bundle(name, files)


def parse_bundle(name: str, files: Mapping[str, bytes]) -> Bundle:
    """The bundle that some files make up.

    Raises:
        SubmissionError: one of them is not what it should be.
    """
    check_manifest(files)
    card = parse_card(files[CARD], name)
    environment = _environment(files[ENVIRONMENT])
    suite = parse_yaml(files[SUITE], SUITE)
    if sum(len(files[path]) for path in files if RESULT.fullmatch(path)) > limits.RESULTS_BYTES:
        raise refusal(too_large("all results without their items", limits.RESULTS_BYTES), "results")
    results = []
    for path in sorted(files):
        if match := RESULT.fullmatch(path):
            record = _record(files[path], path, match[1])
            items = f"items/{match[1]}.jsonl"
            tables = from_lines(files[items], items)
            results.append(Scored(record, tables, hashlib.sha256(files[items]).hexdigest()))
    return Bundle(name, card, files[CARD], suite, environment, tuple(results))


def _environment(data: bytes) -> Environment:
    try:
        return Environment.model_validate(parse_json(data, ENVIRONMENT, limits.MEBIBYTE))
    except ValidationError as error:
        raise _invalid(error, ENVIRONMENT) from error


def _record(data: bytes, path: str, id: str) -> ResultRecord:
    raw = parse_json(data, path, limits.RESULT_BYTES)
    if not isinstance(raw, dict):
        raise refusal("not a JSON object", path)
    try:
        record = ResultRecord.model_validate(migrate(raw, Path(path)))
    except ResultsError as error:
        raise refusal(shown(error.message), path, error.field, error.remedy or AS_WRITTEN) from error
    except ValidationError as error:
        raise _invalid(error, path) from error
    if record.id != id:
        raise refusal("the file is not called by the result's id", path, "id")
    return record


def _invalid(error: ValidationError, file: str) -> SubmissionError:
    fault = error.errors()[0]
    return refusal(fault["msg"], file, ".".join(map(str, fault["loc"])))
