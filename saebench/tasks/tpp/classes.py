"""Data of `tpp@1`: texts of several classes, and a balanced question about each class with fixed negatives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saebench.data.labelled import Labelled, labelled
from saebench.data.packing import PackedRows
from saebench.data.parts import PARTS, in_parts
from saebench.data.text_rows import rows_of_texts
from saebench.fingerprint import digest

if TYPE_CHECKING:
    from saebench.lm.model import LanguageModel

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Question:
    """Texts that a class probe is trained, chosen or tested on: as many of the class as of the others.

    Attributes:
        texts: int64 `[C, 2N]`, for each class its positives, then its negatives, as rows of the set.
        y: bool, the same shape.
    """

    texts: Array
    y: Array


@dataclass(frozen=True)
class ClassSet:
    """A set of texts in equal classes.

    Attributes:
        name: of the data set.
        classes: labels.
        hashes: content hash of each text.
        seen: all hashes by which a dictionary's training documents may know each text.
        questions: by part ("train", "validation", "test").
        rows: the texts as a model reads them.
        fingerprint: 32 hex digits over texts, labels and questions.
        census: what cleaning did to the set that they come from.
    """

    name: str
    classes: tuple[str, ...]
    hashes: tuple[str, ...]
    seen: tuple[tuple[str, ...], ...]
    questions: Mapping[str, Question]
    rows: PackedRows
    fingerprint: str
    census: Mapping[str, int]


def class_set(
    name: str, lm: LanguageModel, *, classes: int, most: Mapping[str, int], context: int, seed: int
) -> ClassSet:
    """Choose the largest classes and their texts.

    Args:
        name: a labelled set.
        lm: whose tokenizer reads the texts.
        classes: at most so many, the most frequent ones; ties by label.
        most: at most so many texts of a class, by part.
        context: tokens that are kept of a text, with the begin-of-text token.
        seed: the evaluation seed.

    Raises:
        UnknownName, ConfigError, DataError, AssetError: see `labelled`; DataError too where a class has no text in a
            part.
    """
    data = labelled(name)
    kept = largest(data, classes)
    examples = [one for one in data.examples if one.label in kept]
    parts = in_parts(examples, [one.label for one in examples], seed=seed, most=most, name=data.name)
    order = np.concatenate([parts.equal[part][label] for part in PARTS for label in kept])
    chosen = [examples[row] for row in order]
    questions, start = {}, 0
    for part in PARTS:
        questions[part] = paired(start, parts.size(part), len(kept))
        start += parts.size(part) * len(kept)
    hashes = tuple(one.hash for one in chosen)
    rows = rows_of_texts(
        [one.text for one in chosen],
        lm.tokenizer,
        tokenizer_hash=lm.tokenizer_hash,
        context=context,
        ids=hashes,
        name=data.name,
        licence=data.licence,
    )
    decided = {
        "rows": rows.fingerprint,
        "classes": list(kept),
        "sizes": [parts.size(part) for part in PARTS],
        "negatives": 1,
    }
    seen = tuple(one.hashes for one in chosen)
    return ClassSet(data.name, kept, hashes, seen, questions, rows, digest(decided), data.census.to_json())


def largest(data: Labelled, most: int) -> tuple[str, ...]:
    """The most frequent classes, ties by label, in the order of labels."""
    counts = Counter(one.label for one in data.examples)
    kept = sorted(counts, key=lambda label: (-counts[label], label))[:most]
    return tuple(label for label in data.classes if label in kept)


def paired(start: int, size: int, classes: int) -> Question:
    """Questions over texts that lie class by class from row `start`, `size` of each.

    The negatives of a class take turns through the other classes, and each class begins at another place of theirs, so
    that the probes of a set do not share all their negatives. They are fixed: the accuracies before and after an
    ablation are those of the same texts.
    """
    texts = np.empty((classes, 2 * size), np.int64)
    each = -(-size // (classes - 1))
    for own in range(classes):
        others = [(own + step) % classes for step in range(1, classes)]
        texts[own, :size] = start + own * size + np.arange(size)
        for place in range(size):
            other = others[place % len(others)]
            texts[own, size + place] = start + other * size + (place // len(others) + own * each) % size
    y = np.zeros((classes, 2 * size), bool)
    y[:, :size] = True
    return Question(texts, y)
