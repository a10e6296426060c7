"""The record of what a judge was asked and what it answered: one JSON line an exchange, only ever appended to.

A line holds ``id`` (hash of judge and question), ``judge``, ``content`` (hash of a local judge's weights, "" for an
endpoint), ``question``, ``answer`` (null where none came) and ``failure``. The last line of an id counts. A line that a
killed writer left behind is passed over, and what it would have held is asked again. Keys of endpoints are not in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from saebench.errors import InputError
from saebench.fingerprint import canonical_json
from saebench.judges.contract import Answer, Question, exchange_key
from saebench.results.atomic import storage_errors
from saebench.results.locking import locked


class Exchanges:
    """The exchanges in one file, which need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._answers = {line["id"]: _answer(line) for line in _lines(path)} if path.exists() else {}

    def find(self, key: str) -> Answer | None:
        """What is recorded under a key, failures included."""
        return self._answers.get(key)

    def add(self, identity: str, content: str, question: Question, answer: Answer) -> Answer:
        """Append an exchange in one locked write, and hand back the answer with its key.

        Raises:
            StorageError: the disk is full or the folder cannot be written.
        """
        key = exchange_key(identity, content, question)
        line = {
            "id": key,
            "judge": identity,
            "content": content,
            "question": question.to_json(),
            "answer": answer.text,
            "failure": answer.failure,
        }
        with locked(self.path.parent, f".{self.path.name}.lock"), storage_errors(self.path):
            start = b"\n" if _is_cut(self.path) else b""
            with self.path.open("ab") as stream:
                stream.write(start + canonical_json(line).encode() + b"\n")
        self._answers[key] = _answer(line)
        return self._answers[key]


def judge_of(path: Path) -> tuple[str, str]:
    """`identity` and `content` of the one judge that answered in a file.

    Raises:
        InputError: the file is missing, holds no exchange, or those of several judges.
    """
    remedy = "give a file that a judge's exchanges were recorded in: 'judges' in the cache folder"
    if not path.is_file():
        raise InputError("there is no such file of exchanges", file=path, remedy=remedy)
    judges = {(line["judge"], line["content"]) for line in _lines(path)}
    if len(judges) != 1:
        what = f"exchanges of {len(judges)} judges" if judges else "no exchange"
        raise InputError(f"it holds {what}", file=path, remedy=remedy)
    return judges.pop()


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for text in path.read_bytes().split(b"\n"):
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and {"id", "judge", "content", "answer", "failure"} <= line.keys():
            yield line


def _answer(line: dict[str, Any]) -> Answer:
    return Answer(line["answer"], line["failure"], line["id"])


def _is_cut(path: Path) -> bool:
    """Whether the last writer did not get to the end of its line."""
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) != b"\n"
