"""Data of `sparse_probing@1`: from names of labelled sets to rows for the model and questions about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from saebench.data.labelled import Example, Labelled, labelled
from saebench.data.packing import PackedRows
from saebench.data.probing_sets import PROBING_SETS
from saebench.data.splits import Split, balanced_rows, positives, split
from saebench.data.text_rows import rows_of_texts
from saebench.errors import ConfigError, DataError
from saebench.fingerprint import array_digest, digest
from saebench.lm.model import LanguageModel
from saebench.results.schema import DataRecord
from saebench.tasks.sparse_probing.params import DEFAULT_SETS, SHIFT_SETS, ProbingParams
from saebench.tasks.sparse_probing.probes import Asked
from saebench.tasks.sparse_probing.regimes import levels_of

SHIFTED = "{}_OOD"
"""Name of the shifted test file of a packaged set."""


@dataclass(frozen=True)
class Question:
    """One item: which rows of its set train and test, with labels."""

    name: str
    asked: Asked


@dataclass(frozen=True, eq=False)
class ProbedSet:
    """One data set, ready for a language model.

    Attributes:
        name: of the set.
        family: the cluster of its questions.
        rows: one text a row, each text once.
        hashes: content hashes of each row's text: what a dictionary's training documents are compared with.
        questions: about these rows.
        about: what cleaning and cutting did, for the details of a result.
    """

    name: str
    family: str
    rows: PackedRows
    hashes: tuple[tuple[str, ...], ...]
    questions: tuple[Question, ...]
    about: Mapping[str, Any]

    def fingerprint(self) -> str:
        """32 hex digits over texts as the model reads them, splits and labels."""
        asked = {question.name: array_digest(vars(question.asked)) for question in self.questions}
        return digest({"rows": self.rows.fingerprint, "questions": asked, "family": self.family})

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


def set_names(params: ProbingParams) -> tuple[str, ...]:
    """The sets that the parameters ask for.

    Raises:
        ConfigError: a set is named twice, or has no shifted test file where one is needed.
    """
    names = params.datasets or (SHIFT_SETS if params.regime == "shift" else DEFAULT_SETS)
    if len(set(names)) < len(names):
        raise ConfigError("a data set is named twice", field="datasets")
    if params.regime == "shift":
        for name in names:
            if SHIFTED.format(name) not in PROBING_SETS:
                raise ConfigError(
                    f"'{name}' has no shifted test file",
                    field="datasets",
                    remedy=f"those that have one: {', '.join(SHIFT_SETS)}; a set of yours brings its "
                    "own test rows in a split column, in the standard regime",
                )
    return names


def probed_sets(params: ProbingParams, lm: LanguageModel, seed: int) -> tuple[ProbedSet, ...]:
    """Every set of the parameters, cleaned, split and tokenised.

    Raises:
        UnknownName, ConfigError, DataError, AssetError: a set cannot be read or asked about.
    """
    made = tuple(probed_set(labelled(name), params, lm, seed) for name in set_names(params))
    names = [one.name for one in made]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"two data sets are called '{twice}'", field="datasets", remedy="rename one in its YAML file")
    return made


def probed_set(data: Labelled, params: ProbingParams, lm: LanguageModel, seed: int) -> ProbedSet:
    """One set with its questions: one for two classes, one against the rest for each of several."""
    examples, splits, used = _splits(data, params, seed)
    chosen = sorted(used)
    rows = _tokenised([examples[row] for row in chosen], data, params, lm)
    countable: list[bool] = [bool(row.any()) for row in rows.mask]
    uncounted = countable.count(False)
    if uncounted:
        chosen = [row for row, keep in zip(chosen, countable, strict=True) if keep]
        splits = {name: _without(one, set(chosen), data.name) for name, one in splits.items()}
        rows = _tokenised([examples[row] for row in chosen], data, params, lm)
    place = np.full(len(examples), -1)
    place[chosen] = np.arange(len(chosen))
    questions = tuple(
        Question(name, Asked(place[one.train], one.y_train, place[one.test], one.y_test))
        for name, one in splits.items()
    )
    about = {
        **data.census.to_json(),
        "usable": len(data.examples),
        "texts": rows.n_rows,
        "without_a_countable_token": uncounted,
        "cut": rows.packing["cut"],
        "mark": data.mark,
        "family": data.family,
    }
    return ProbedSet(data.name, data.family, rows, tuple(examples[row].hashes for row in chosen), questions, about)


def _splits(data: Labelled, params: ProbingParams, seed: int) -> tuple[Sequence[Example], dict[str, Split], set[int]]:
    """Examples, the questions about them by name, and the rows of all balanced questions.

    The model reads the latter whatever the regime makes of them, so that regimes share its passes.
    """
    examples: Sequence[Example] = data.examples
    asked: dict[str, Split] = {}
    used: set[int] = set()
    shifted = labelled(SHIFTED.format(data.name)) if params.regime == "shift" else None
    classes = positives(data)
    for positive in classes:
        base = split(data, positive, train_rows=params.train_rows, test_rows=params.test_rows, seed=seed)
        if shifted is not None:
            examples, base = _shifted(data, shifted, base, params.test_rows, seed)
        used |= set(np.concatenate([base.train, base.test]).tolist())
        name = data.name if len(classes) == 1 else f"{data.name}: {positive}"
        asked |= {f"{name}{level}": one for level, one in levels_of(base, params.regime, params.levels, seed)}
    if not asked:
        raise DataError("has too few training rows for every level of the regime", file=data.name, field="levels")
    return examples, asked, used


def _shifted(
    data: Labelled, other: Labelled, base: Split, test_rows: int, seed: int
) -> tuple[Sequence[Example], Split]:
    """The question with the test rows of another set, those left out whose text is trained on."""
    if data.classes != other.classes:
        raise DataError(f"has the classes {other.classes}, its training set {data.classes}", file=other.name)
    trained = frozenset(data.examples[row].hash for row in base.train)
    test, y_test = balanced_rows(other, base.positive, rows=test_rows, seed=seed, without=trained)
    return (*data.examples, *other.examples), replace(base, test=test + len(data.examples), y_test=y_test)


def _without(one: Split, kept: set[int], name: str) -> Split:
    """The question without rows that hold nothing to read."""
    train = np.array([row in kept for row in one.train])
    test = np.array([row in kept for row in one.test])
    left = Split(one.positive, one.train[train], one.y_train[train], one.test[test], one.y_test[test])
    for y in (left.y_train, left.y_test):
        if len(set(y.tolist())) < 2:
            raise DataError("a class has no text with a token that counts", file=name)
    return left


def _tokenised(examples: Sequence[Example], data: Labelled, params: ProbingParams, lm: LanguageModel) -> PackedRows:
    return rows_of_texts(
        [one.text for one in examples],
        lm.tokenizer,
        tokenizer_hash=lm.tokenizer_hash,
        context=params.context,
        ids=[one.hash for one in examples],
        name=data.name,
        licence=data.licence,
    )


def shared_prompts(one: ProbedSet, question: Question, documents: frozenset[str]) -> int:
    """How many texts of a question a dictionary with these training documents has seen."""
    rows = np.concatenate([question.asked.train, question.asked.test])
    return sum(not documents.isdisjoint(one.hashes[row]) for row in rows)


def iterate(sets: Sequence[ProbedSet]) -> Iterator[tuple[ProbedSet, Question]]:
    """Every question with its set, in order."""
    return ((one, question) for one in sets for question in one.questions)
