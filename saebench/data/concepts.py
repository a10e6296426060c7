"""Concepts: texts in which something is, and texts in which it is not, split into training and test.

A concept is one class of a labelled set against the rest: `96_spam_is` (the positive class of two), `SET: CLASS`, or a
user's YAML file; `axbench:FOLDER` gives every concept of AxBench's own files. Training and test texts are balanced and
split by the hash of seed and group, as everywhere in the house.

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
from saebench.data.packing import PackedRows
from saebench.data.probing_sets import PROBING_SETS
from saebench.data.splits import Split, ordered_rows, positives, split
from saebench.data.text_rows import rows_of_texts
from saebench.errors import DataError, UnknownName
from saebench.fingerprint import array_digest, digest
from saebench.registry import near_misses
from saebench.results.schema import DataRecord

IntArray = np.ndarray[Any, np.dtype[np.int64]]

AXBENCH = "axbench:"
POOL = 1000
"""Negatives among which hard ones are looked for, in the order of the seed."""
GIVEN = "named by the data"
LEXICAL = "held-out negatives that a bag of words fitted on the training texts takes for positives"


@dataclass(frozen=True, eq=False)
class Concept:
    """One concept before a model reads it.

    Attributes:
        name: unique in a run.
        family: concepts cut from one source share it: it is their cluster.
        texts, hashes: each text once, with its content hashes.
        train, y_train, test, y_test: int64 indices into `texts` with labels; the training texts in a seeded order.
        hard: indices of hard negatives.
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
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ReadConcept:
    """A concept as rows of tokens, one text a row; indices are into `rows`."""

    name: str
    family: str
    rows: PackedRows
    texts: tuple[str, ...]
    """What the model reads of each text, begin-of-text token left out."""
    hashes: tuple[tuple[str, ...], ...]
    train: IntArray
    y_train: IntArray
    test: IntArray
    y_test: IntArray
    hard: IntArray
    about: Mapping[str, Any]

    def fingerprint(self) -> str:
        """32 hex digits over texts as the model reads them, splits and labels."""
        parts = ("train", "y_train", "test", "y_test", "hard")
        asked = array_digest({part: getattr(self, part) for part in parts})
        return digest({"rows": self.rows.fingerprint, "asked": asked, "family": self.family})

    def lesson_fingerprint(self) -> str:
        """32 hex digits over what a method is fitted on: the training texts as the model reads them, and labels."""
        mask = self.rows.mask[self.train]
        width = int(np.flatnonzero(mask.any(axis=0)).max()) + 1
        tokens = self.rows.tokens[self.train, :width]
        return array_digest({"tokens": tokens, "mask": mask[:, :width], "y": self.y_train})

    def record(self) -> DataRecord:
        """How a result describes it."""
        return DataRecord(
            part=self.name,
            name=self.name,
            fingerprint=self.fingerprint(),
            licence=self.rows.licence,
            documents=self.rows.n_rows,
            tokens=self.rows.n_tokens,
            packing=dict(self.rows.packing),
            mask_rule=self.rows.mask_rule,
        )


def concepts(
    names: Sequence[str], *, train_rows: int, test_rows: int, hard_rows: int, seed: int
) -> tuple[Concept, ...]:
    """Every concept that the names stand for, in their order.

    Args:
        names: as the module says.
        train_rows, test_rows: at most so many texts, both classes together.
        hard_rows: at most so many hard negatives; 0: none are looked for.
        seed: the evaluation seed.

    Raises:
        UnknownName: no such set or class, with near misses.
        DataError: a concept without positive or without negative texts on one side, or two of one name.
        ConfigError, AssetError: a set cannot be read.
    """
    made: list[Concept] = []
    for name in names:
        if name.startswith(AXBENCH):
            from saebench.data.axbench import axbench_concepts

            made += axbench_concepts(name.removeprefix(AXBENCH), train_rows, test_rows, hard_rows, seed)
        else:
            data, classes = named(name)
            made += [of_class(data, one, train_rows, test_rows, hard_rows, seed) for one in classes]
    taken = [one.name for one in made]
    if twice := next((name for name in taken if taken.count(name) > 1), None):
        raise DataError(f"two concepts are called '{twice}'", field="concepts", remedy="name each one once")
    return tuple(made)


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


def of_class(data: Labelled, positive: str, train_rows: int, test_rows: int, hard_rows: int, seed: int) -> Concept:
    """One class of a set against the rest."""
    asked = split(data, positive, train_rows=train_rows, test_rows=test_rows, seed=seed)
    texts = [example.text for example in data.examples]
    hard = lexical(data, asked, hard_rows, seed)
    alone = (positive,) == positives(data)
    return concept(
        data.name if alone else f"{data.name}: {positive}",
        data.family,
        data.licence,
        (asked, hard),
        (texts, [example.hashes for example in data.examples]),
        {**data.census.to_json(), "mark": data.mark, "positive": positive, "hard_negatives": LEXICAL},
    )


def concept(
    name: str,
    family: str,
    licence: str,
    asked: tuple[Split, IntArray],
    source: tuple[Sequence[str], Sequence[tuple[str, ...]]],
    about: Mapping[str, Any],
) -> Concept:
    """A concept over the texts that its split and its hard negatives use, numbered anew."""
    own, hard = asked
    texts, hashes = source
    used = np.concatenate([own.train, own.test, hard])
    place = {int(row): index for index, row in enumerate(used)}

    def moved(rows: IntArray) -> IntArray:
        return np.array([place[int(row)] for row in rows], dtype=np.int64)

    return Concept(
        name,
        family,
        licence,
        tuple(texts[row] for row in used),
        tuple(hashes[row] for row in used),
        moved(own.train),
        own.y_train,
        moved(own.test),
        own.y_test,
        moved(hard),
        about,
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
    words = BagOfWords.fit([data.examples[row].text for row in asked.train], asked.y_train)
    chances = words.probability([data.examples[row].text for row in free])
    surest = np.argsort(-chances, kind="stable")
    return np.array([free[row] for row in surest[chances[surest] > 0.5][:hard_rows]], dtype=np.int64)


def read_concept(one: Concept, tokenizer: Any, *, tokenizer_hash: str, context: int) -> ReadConcept:
    """A concept as the model reads it. A text without a token that counts is left out.

    Args:
        one: the concept.
        tokenizer, tokenizer_hash: of the model.
        context: tokens of a text, begin-of-text token included; longer texts lose their end.

    Raises:
        DataError: a class has no text with a token that counts on one side.
    """

    def rows_of(chosen: Sequence[int]) -> PackedRows:
        return rows_of_texts(
            [one.texts[row] for row in chosen],
            tokenizer,
            tokenizer_hash=tokenizer_hash,
            context=context,
            ids=[one.hashes[row][0] for row in chosen],
            name=one.name,
            licence=one.licence,
        )

    kept = list(range(len(one.texts)))
    rows = rows_of(kept)
    countable = np.asarray(rows.mask.any(axis=1))
    if not countable.all():
        kept = np.flatnonzero(countable).tolist()
        rows = rows_of(kept or [0])
    place = np.full(len(one.texts), -1)
    place[kept] = np.arange(len(kept))
    train, test = countable[one.train], countable[one.test]
    for side, y in (("training", one.y_train[train]), ("test", one.y_test[test])):
        if len(set(y.tolist())) < 2:
            raise DataError(f"a class has no {side} text with a token that counts", file=one.name)
    strings = tokenizer.batch_decode(
        [ids[ids_mask].tolist() for ids, ids_mask in zip(rows.tokens, rows.mask, strict=True)]
    )
    return ReadConcept(
        one.name,
        one.family,
        rows,
        tuple(strings),
        tuple(one.hashes[row] for row in kept),
        place[one.train[train]],
        one.y_train[train],
        place[one.test[test]],
        one.y_test[test],
        place[one.hard[countable[one.hard]]],
        {**one.about, "cut": rows.packing["cut"], "without_a_countable_token": int((~countable).sum())},
    )
