"""Documents and what gives them: the contract of a corpus, and what holds for every corpus.

A corpus hands out its documents in a fixed order, each once: documents without text are dropped, exact duplicates
(up to white space and Unicode composition) are dropped after the first, because documents are the clusters of every
interval. A document's hash, not its place, decides whether it is for training or for evaluation.
"""

from __future__ import annotations

import hashlib
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

from saebench.errors import DataError
from saebench.fingerprint import digest

Part = Literal["train", "eval"]
EVAL_ONE_IN = 10
"""One document in ten, by its hash, is kept for evaluation."""


@dataclass(frozen=True)
class Document:
    """One text. `id` names its place in the source, for people; `hash` names its content."""

    id: str
    text: str

    @cached_property
    def hash(self) -> str:
        """First 16 hex digits of SHA-256 over the text in NFC with every run of white space as one blank."""
        normalised = unicodedata.normalize("NFC", " ".join(self.text.split()))
        return hashlib.sha256(normalised.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    @property
    def part(self) -> Part:
        """The part it belongs to, for ever and in every corpus: decided by its hash alone."""
        return "eval" if int(self.hash, 16) % EVAL_ONE_IN == 0 else "train"


class TextSource(Protocol):
    """A corpus.

    Attributes:
        name: short name for results.
        licence: whose text it is and on what terms, or that nothing is stated.
        revision: version of the package, data set or file kind it was read from.
    """

    name: str
    licence: str
    revision: str

    def documents(self) -> Iterator[Document]:
        """The documents with text, each once, always in the same order.

        Raises:
            DataError: nothing in the corpus can be used, or it cannot be read; names the file, field and remedy.
        """

    def fingerprint(self) -> str:
        """32 hex digits over the hashes of all documents, whatever their order or place."""

    def census(self) -> Census:
        """How much there is, and what was dropped."""


@dataclass(frozen=True)
class Census:
    """Counts of a corpus: usable `documents` and their `characters`, dropped `empty` and `duplicates`, `eval` part."""

    documents: int
    eval_documents: int
    characters: int
    empty: int
    duplicates: int


class Corpus(ABC):
    """A `TextSource` over `entries`, which may give empty and repeated documents."""

    def __init__(self, name: str, licence: str, revision: str) -> None:
        self.name = name
        self.licence = licence
        self.revision = revision
        self._seen: tuple[str, Census] | None = None

    @abstractmethod
    def entries(self) -> Iterator[Document]:
        """Everything that the source holds, in a fixed order."""

    def documents(self) -> Iterator[Document]:
        hashes: set[str] = set()
        empty = duplicates = characters = held_out = 0
        for document in self.entries():
            if not document.text.strip():
                empty += 1
            elif document.hash in hashes:
                duplicates += 1
            else:
                hashes.add(document.hash)
                characters += len(document.text)
                held_out += document.part == "eval"
                yield document
        if not hashes:
            raise DataError(
                f"no document with text ({empty} empty)", file=self.name, remedy="choose another file, field or corpus"
            )
        self._seen = digest(sorted(hashes)), Census(len(hashes), held_out, characters, empty, duplicates)

    def fingerprint(self) -> str:
        return self._scan()[0]

    def census(self) -> Census:
        return self._scan()[1]

    def _scan(self) -> tuple[str, Census]:
        if self._seen is None:
            for _ in self.documents():
                pass
        assert self._seen is not None
        return self._seen
