"""Which labelled texts train and which test: by the hash of seed and group, never by the place in a file.

So a split depends on seed and content alone, a larger test part only adds texts, and rows of one group stay together.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saebench.data.labelled import Labelled
from saebench.errors import DataError

TEST_SHARE = 0.3
"""At most this share of the rarer class is tested, however many test rows are asked for."""


@dataclass(frozen=True)
class Split:
    """A binary question about a set: indices into its examples, in a seeded order, and what is asked.

    Attributes:
        positive: the class that counts as 1; all others count as 0.
        train, test: int64 indices into `Labelled.examples`.
        y_train, y_test: int64 labels, 0 or 1.
    """

    positive: str
    train: NDArray[np.int64]
    y_train: NDArray[np.int64]
    test: NDArray[np.int64]
    y_test: NDArray[np.int64]


def positives(data: Labelled) -> tuple[str, ...]:
    """The classes that are asked about: the last one of two, each of several."""
    classes = data.classes
    return classes[-1:] if len(classes) == 2 else classes


def split(data: Labelled, positive: str, *, train_rows: int, test_rows: int, seed: int) -> Split:
    """A balanced question: as many positives as negatives on either side.

    Groups are taken in the order of SHA-256 over seed and group. A group goes to the test part as long as a class that
    it holds is wanted there, else to the training part; then each side is cut to equal classes. Data that name their
    own split keep it.

    Args:
        data: the set.
        positive: the class that counts as 1.
        train_rows, test_rows: at most so many on each side.
        seed: the evaluation seed.

    Raises:
        DataError: a class has no row on one side.
    """
    labels = np.array([example.label == positive for example in data.examples], dtype=np.int64)
    ordered = ordered_rows(data, seed)
    rarer = min(int(labels.sum()), int((1 - labels).sum()))
    wanted = max(1, min(test_rows // 2, int(TEST_SHARE * rarer)))
    if any(example.split for example in data.examples):
        test = [row for row in ordered if data.examples[row].split == "test"]
        train = [row for row in ordered if data.examples[row].split != "test"]
    else:
        train, test = _by_groups(data, ordered, labels, wanted)
    chosen_test = _balanced(test, labels, test_rows)
    chosen_train = _balanced(train, labels, train_rows)
    for side, rows in (("training", chosen_train), ("test", chosen_test)):
        if not len(rows):
            raise DataError(f"class '{positive}' or its rest has no row in the {side} part", file=data.name)
    return Split(positive, chosen_train, labels[chosen_train], chosen_test, labels[chosen_test])


def balanced_rows(
    data: Labelled, positive: str, *, rows: int, seed: int, without: frozenset[str] = frozenset()
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices and labels of a part that stands alone: both classes alike, in seeded order, at most `rows` together.

    Args:
        data: the set.
        positive: the class that counts as 1.
        rows: at most so many.
        seed: the evaluation seed.
        without: content hashes of texts that are left out.

    Raises:
        DataError: a class has no row.
    """
    labels = np.array([example.label == positive for example in data.examples], dtype=np.int64)
    left = [row for row in ordered_rows(data, seed) if data.examples[row].hash not in without]
    chosen = _balanced(left, labels, rows)
    if not len(chosen):
        raise DataError(f"class '{positive}' or its rest has no row", file=data.name)
    return chosen, labels[chosen]


def ordered_rows(data: Labelled, seed: int) -> list[int]:
    """All rows in the order of their groups' keys, then of their own."""

    def key(row: int) -> tuple[bytes, bytes]:
        example = data.examples[row]
        group = hashlib.sha256(f"{seed}:{example.group}".encode()).digest()
        return group, hashlib.sha256(f"{seed}:{example.hash}".encode()).digest()

    return sorted(range(len(data.examples)), key=key)


def _by_groups(
    data: Labelled, ordered: list[int], labels: NDArray[np.int64], wanted: int
) -> tuple[list[int], list[int]]:
    members: dict[str, list[int]] = defaultdict(list)
    for row in ordered:
        members[data.examples[row].group].append(row)
    train: list[int] = []
    test: list[int] = []
    held = [0, 0]
    for rows in members.values():
        if any(held[labels[row]] < wanted for row in rows):
            test += rows
            for row in rows:
                held[labels[row]] += 1
        else:
            train += rows
    return train, test


def _balanced(rows: list[int], labels: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Equally many rows of both classes, at most `most` together, in the given order."""
    per_class = min(most // 2, *(sum(labels[row] == side for row in rows) for side in (0, 1)))
    left = [per_class, per_class]
    kept = []
    for row in rows:
        if left[labels[row]]:
            left[labels[row]] -= 1
            kept.append(row)
    return np.array(kept, dtype=np.int64)
