"""`detection@1`, from top to bottom: data, protocol, item scores.

Data: concepts, each with training texts, test texts and hard negatives. Protocol: a concept method is fitted on the
training texts, a dictionary becomes one by its latent of the best training AUROC; a text's score is that of its highest
token or the mean over its tokens. Item scores: AUROCs of each concept; metrics are their means.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from saebench.baselines.concepts.fitting import fitted, texts_of
from saebench.baselines.concepts.latents import BestLatent
from saebench.baselines.concepts.method import ConceptMethod
from saebench.data.concepts import Sizes, concepts
from saebench.data.read_concepts import ReadConcept, read_concept
from saebench.errors import DataError, SubjectFailed
from saebench.lm.model import LanguageModel
from saebench.results.schema import DataRecord
from saebench.tasks.contract import Bench, ItemTable, Params, Request, Scores, Subject, Task
from saebench.tasks.detection.card import CARD, CONCEPTS, COUNTED, HARD, MARKED, MEASURES, POOLINGS, SHARE, TEXTS
from saebench.tasks.detection.params import DetectionParams
from saebench.tasks.detection.scoring import AskedTexts, Outcome, outcome

FEWEST_HARD = 3
"""A concept with fewer hard negatives has no AUROC against them."""


@dataclass
class Account:
    """What is known of one subject so far."""

    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0


class Detection(Task):
    """Scores concept methods and dictionaries on the same concepts. Metrics: `card.METRICS`."""

    card = CARD
    takes = ("concept", "dictionary")
    parameters: type[Params] = DetectionParams

    def __init__(self) -> None:
        self._made: dict[tuple[DetectionParams, str, int], tuple[ReadConcept, ...]] = {}

    def data(self, params: Params, lm: LanguageModel, eval_seed: int) -> tuple[DataRecord, ...]:
        return tuple(one.record() for one in self.concepts(params, lm, eval_seed))

    def concepts(self, params: Params, lm: LanguageModel, eval_seed: int) -> tuple[ReadConcept, ...]:
        """The concepts as the model reads them, read once for each setting.

        Raises:
            UnknownName, ConfigError, DataError, AssetError: a concept cannot be read.
        """
        assert isinstance(params, DetectionParams)
        key = (params, lm.tokenizer_hash, eval_seed)
        if key not in self._made:
            sizes = Sizes(params.train_rows, params.test_rows, params.hard_rows)
            self._made[key] = tuple(
                read_concept(one, lm.tokenizer, tokenizer_hash=lm.tokenizer_hash, context=params.context)
                for one in concepts(params.concepts, sizes, eval_seed)
            )
        return self._made[key]

    def needs(self, subject: Subject) -> tuple[Request, ...]:
        return ()

    def run(self, subjects: Sequence[Subject], bench: Bench) -> dict[str, Scores]:
        """Concept by concept: its activations once, then each subject's fit and scores. Fits are kept as artefacts."""
        asked = self.concepts(bench.params, bench.lm, bench.eval_seed)
        site = subjects[0].site
        accounts = {subject.fingerprint: Account() for subject in subjects}
        with bench.progress.bar(f"{self.card.name} {site}", len(asked), "concept") as bar:
            for one in asked:
                texts = read_texts(bench, one, site)
                for subject in bench.alive(subjects):
                    with bench.guard(subject):
                        account, began = accounts[subject.fingerprint], time.perf_counter()
                        account.outcomes.append(scored(bench, method_of(subject), one, texts, site))
                        account.seconds += time.perf_counter() - began
                bar.advance()
        scores = {}
        for subject in bench.alive(subjects):
            with bench.guard(subject):
                seen = documents_of(subject)
                scores[subject.fingerprint] = finish(accounts[subject.fingerprint], asked, seen)
        return scores


def method_of(subject: Subject) -> ConceptMethod:
    """A concept method itself; of a dictionary, its latent of the best training AUROC."""
    return subject.concept() if subject.kind == "concept" else BestLatent(subject.dictionary())


def documents_of(subject: Subject) -> frozenset[str]:
    """Hashes of the texts that a dictionary was trained on; a concept method sees training texts alone."""
    return frozenset() if subject.kind == "concept" else frozenset(subject.dictionary().provenance.documents)


def read_texts(bench: Bench, one: ReadConcept, site: str) -> AskedTexts:
    """The texts of a concept at a site."""
    hard = texts_of(bench, one, site, one.hard) if len(one.hard) >= FEWEST_HARD else None
    return AskedTexts(texts_of(bench, one, site, one.train), texts_of(bench, one, site, one.test), hard)


def scored(bench: Bench, method: ConceptMethod, one: ReadConcept, texts: AskedTexts, site: str) -> Outcome:
    """One subject on one concept.

    Raises:
        SubjectFailed: the method cannot be fitted on this concept, with its name.
    """
    try:
        return outcome(fitted(bench, method, one, site), one, texts)
    except (SubjectFailed, DataError) as error:
        raise SubjectFailed(f"concept '{one.name}': {error}") from error


def shared_texts(one: ReadConcept, documents: frozenset[str]) -> int:
    """How many texts of a concept a dictionary with these training documents has seen."""
    return sum(not documents.isdisjoint(hashes) for hashes in one.hashes) if documents else 0


def finish(account: Account, asked: Sequence[ReadConcept], documents: frozenset[str]) -> Scores:
    """Item tables and details of one subject.

    Args:
        account: an outcome for every concept.
        asked: the concepts.
        documents: hashes of the subject's training documents.
    """
    seen = {one.name: count for one in asked if (count := shared_texts(one, documents))}
    counted = np.array([float(one.name not in seen) for one in asked])
    measured = [done.measures for done in account.outcomes]
    has = {
        COUNTED: counted,
        HARD: counted * np.array(["auroc_max_hard" in one for one in measured]),
        MARKED: counted * np.array(["auroc_token" in one for one in measured]),
    }
    columns = {
        name: has[where] * np.array([one.get(name, 0.0) for one in measured]) for name, where in MEASURES.items()
    }
    sizes = np.array([len(one.test) for one in asked])
    share = np.repeat(counted / sizes, sizes)
    by_text = {
        f"auroc_{pooling}": share * np.concatenate([done.by_text[pooling] for done in account.outcomes])
        for pooling in POOLINGS
    }
    return Scores(
        tables={
            CONCEPTS: ItemTable(
                tuple(one.name for one in asked), tuple(one.family for one in asked), {**columns, **has}
            ),
            TEXTS: ItemTable(
                tuple(f"{one.name}/{place}" for one in asked for place in range(len(one.test))),
                tuple(one.hashes[row][0] for one in asked for row in one.test),
                {**by_text, SHARE: share},
            ),
        },
        details={
            "contaminated": seen,
            "concepts": {
                one.name: {
                    **one.about,
                    "train": len(one.train),
                    "test": len(one.test),
                    "hard": len(one.hard),
                    "fit": done.notes,
                    "measures": done.measures,
                }
                for one, done in zip(asked, account.outcomes, strict=True)
            },
        },
        cost={"seconds": account.seconds},
        undefined=missing(has, asked, measured),
    )


def missing(
    has: Mapping[str, np.ndarray[Any, Any]], asked: Sequence[ReadConcept], measured: Sequence[Mapping[str, float]]
) -> dict[str, str]:
    """Metrics that this subject cannot have, with the reason."""
    marked = any(one.marks is not None for one in asked)
    reasons = {
        COUNTED: f"all {len(asked)} concepts share texts with the dictionary's training documents",
        HARD: f"no concept that counts has {FEWEST_HARD} hard negatives",
        MARKED: "the method scores whole texts" if marked else "no concept that counts has labels for words",
    }
    lacking = {where: reasons[where] for where, column in has.items() if not column.any()}
    found = {name: lacking[where] for name, where in MEASURES.items() if where in lacking}
    if COUNTED in lacking:
        found |= {metric.name: lacking[COUNTED] for metric in CARD.metrics}
    return found
