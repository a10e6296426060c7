"""Which documents of a corpus are taken: those of the part, in an order that seed and content decide.

Each document gets a key, SHA-256 of seed and document hash; the documents with the smallest keys come first. So the
choice does not depend on the order of the corpus, a larger budget only adds documents, and two seeds choose
independently. Texts are read in bounded portions: a large corpus never lies in memory as a whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from saebench.data.texts import Document, Part, TextSource
from saebench.errors import DataError

PORTION = 64_000_000
"""Characters of text that are held at a time."""


def select(corpus: TextSource, part: Part, seed: int, count: int | None = None) -> Iterator[Document]:
    """The first `count` documents of `part` (all of them where it is None) in the order of `seed`.

    Raises:
        DataError: the corpus has no text, or none of its documents falls into the part.
    """
    sizes = {document.hash: len(document.text) for document in corpus.documents() if document.part == part}
    if not sizes:
        raise DataError(
            f"no document falls into part '{part}'",
            file=corpus.name,
            remedy="one document in ten, by its hash, is for evaluation: give a corpus of more documents",
        )
    ordered = sorted(sizes, key=lambda hash_: hashlib.sha256(f"{seed}:{hash_}".encode()).digest())[:count]
    for portion in _portions(ordered, sizes):
        wanted = set(portion)
        texts = {document.hash: document for document in corpus.documents() if document.hash in wanted}
        for hash_ in portion:
            yield texts.pop(hash_)


def _portions(ordered: list[str], sizes: dict[str, int]) -> Iterator[list[str]]:
    portion: list[str] = []
    characters = 0
    for hash_ in ordered:
        if portion and characters + sizes[hash_] > PORTION:
            yield portion
            portion, characters = [], 0
        portion.append(hash_)
        characters += sizes[hash_]
    yield portion
