"""Concepts: texts in which something is, and texts in which it is not, split into training and test.

A concept is one class of a labelled set against the rest: `96_spam_is` (the positive class of two), `SET: CLASS`, or a
user's YAML file; `mention:weekday` is about single words (`saebench.data.mentions`); `axbench:FOLDER` gives every
concept of AxBench's own files. Training and test texts are balanced and split by the hash of seed and group, as
everywhere in the house.

Hard negatives are negatives that look like positives. AxBench's files name theirs. For every other set they are found:
held-out negatives, of no group that trains, that a bag of words fitted on the training texts takes for positives, the
surest first. They never train and are no part of the ordinary test texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from saebench.data.bag_of_words import BagOfWords
from saebench.data.labelled import Labelled, labelled
from saebench.data.mentions import Spans, mentions
from saebench.data.probing_sets import PROBING_SETS
from saebench.data.splits import Split, ordered_rows, positives, split
from saebench.errors import DataError, UnknownName
from saebench.registry import near_misses

IntArray = np.ndarray[Any, np.dtype[np.int64]]

AXBENCH, MENTION = "axbench:", "mention:"
POOL = 1000
"""Negatives among which hard ones are looked for, in the order of the seed."""
LETTERS = 500
"""What the bag of words that looks for hard negatives reads of a text: its beginning, as models do here."""
GIVEN = "named by the data"
LEXICAL = "held-out negatives that a bag of words fitted on the training texts takes for positives"


@dataclass(frozen=True)
class Sizes:
    """At most so many texts of each part, both classes together in the first two; `hard` 0: none are looked for."""

    train: int
    test: int
    hard: int


@dataclass(frozen=True, eq=False)
class Concept:
    """One concept before a model reads it.

    Attributes:
        name: unique in a run.
        family: concepts cut from one source share it: it is their cluster.
        texts, hashes: each text once, with its content hashes.
        train, y_train, test, y_test: int64 indices into `texts` with labels; the training texts in a seeded order.
        hard: indices of hard negatives.
        spans: where the concept stands in each text, where the label is about words; None where it is about texts.
        about: what cleaning did, and where hard negatives come from; JSON values.
    """

    name: str
    family: str
    licence: str
    texts: tuple[str, ...]
    hashes: tuple[tuple[str, ...], ...]
    train: IntArray
    y_train: IntArray
    test: IntArray
    y_test: IntArray
    hard: IntArray
    spans: tuple[Spans, ...] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)


def concepts(names: Sequence[str], sizes: Sizes, seed: int) -> tuple[Concept, ...]:
    """Every concept that the names stand for, in their order.

    Args:
        names: as the module says.
        sizes: of each concept's parts.
        seed: the evaluation seed.

    Raises:
        UnknownName: no such set, class or kind of mention, with near misses.
        DataError: a concept without positive or without negative texts on one side, or two of one name.
        ConfigError, AssetError: a set cannot be read.
    """
    made = [one for name in names for one in _called(name, sizes, seed)]
    taken = [one.name for one in made]
    if twice := next((name for name in taken if taken.count(name) > 1), None):
        raise DataError(f"two concepts are called '{twice}'", field="concepts", remedy="name each one once")
    return tuple(made)


def _called(name: str, sizes: Sizes, seed: int) -> list[Concept]:
    if name.startswith(AXBENCH):
        from saebench.data.axbench import axbench_concepts

        return axbench_concepts(name.removeprefix(AXBENCH), sizes, seed)
    if name.startswith(MENTION):
        data, spans = mentions(name.removeprefix(MENTION))
        return [of_class(data, positives(data)[0], sizes, seed, spans)]
    data, classes = named(name)
    return [of_class(data, one, sizes, seed) for one in classes]


def named(name: str) -> tuple[Labelled, tuple[str, ...]]:
    """The set that a name stands for, and the classes that are asked about.

    Raises:
        UnknownName: no such set, or the set has no such class.
    """
    whole, colon, wanted = name.rpartition(": ")
    if not colon or name in PROBING_SETS:
        data = labelled(name)
        return data, positives(data)
    data = labelled(whole)
    if wanted not in data.classes:
        known = dict.fromkeys(data.classes)
        raise UnknownName(f"class of {data.name}", wanted, near_misses(wanted, known), data.classes)
    return data, (wanted,)


def of_class(
    data: Labelled, positive: str, sizes: Sizes, seed: int, spans: Mapping[str, Spans] | None = None
) -> Concept:
    """One class of a set against the rest; `spans` says where words stand in each text, where the class is about them.

    Raises:
        DataError: the class or its rest has no text on one side.
    """
    asked = split(data, positive, train_rows=sizes.train, test_rows=sizes.test, seed=seed)
    hard = lexical(data, asked, sizes.hard, seed)
    texts = [example.text for example in data.examples]
    alone = (positive,) == positives(data)
    return assembled(
        data.name if alone else f"{data.name}: {positive}",
        data,
        asked,
        hard,
        (texts, [example.hashes for example in data.examples]),
        {"positive": positive, "hard_negatives": LEXICAL},
        spans,
    )


def assembled(
    name: str,
    data: Labelled,
    asked: Split,
    hard: IntArray,
    source: tuple[Sequence[str], Sequence[tuple[str, ...]]],
    about: Mapping[str, Any],
    spans: Mapping[str, Spans] | None = None,
) -> Concept:
    """A concept over the texts that its split and its hard negatives use, numbered anew.

    Args:
        name: of the concept.
        data: the set that it is cut from.
        asked: the split.
        hard: hard negatives, not in the split.
        source: texts and their hashes, which `asked` and `hard` number.
        about: beside what is known of the set.
        spans: where words stand, by text.
    """
    texts, hashes = source
    used = np.concatenate([asked.train, asked.test, hard])
    place = np.full(len(texts), -1)
    place[used] = np.arange(len(used))
    chosen = tuple(texts[row] for row in used)
    return Concept(
        name=name,
        family=data.family,
        licence=data.licence,
        texts=chosen,
        hashes=tuple(hashes[row] for row in used),
        train=place[asked.train],
        y_train=asked.y_train,
        test=place[asked.test],
        y_test=asked.y_test,
        hard=place[hard],
        spans=None if spans is None else tuple(spans.get(text, ()) for text in chosen),
        about={**data.census.to_json(), "mark": data.mark, **about},
    )


def lexical(data: Labelled, asked: Split, hard_rows: int, seed: int) -> IntArray:
    """Negatives behind the split that a bag of words takes for positives, the surest first.

    Only of groups that do not train, and not those that the data themselves train on.
    """
    trained = {data.examples[row].group for row in asked.train}
    used = {*asked.train.tolist(), *asked.test.tolist()}
    free = [
        row
        for row in ordered_rows(data, seed)
        if row not in used
        and data.examples[row].label != asked.positive
        and data.examples[row].group not in trained
        and data.examples[row].split != "train"
    ][:POOL]
    if not free or not hard_rows:
        return np.zeros(0, np.int64)
    words = BagOfWords.fit([data.examples[row].text[:LETTERS] for row in asked.train], asked.y_train)
    chances = words.probability([data.examples[row].text[:LETTERS] for row in free])
    surest = np.argsort(-chances, kind="stable")
    return np.array([free[row] for row in surest[chances[surest] > 0.5][:hard_rows]], dtype=np.int64)
