"""Fitting: lessons from texts, from a concept of a task, and the fit itself, made once for all tasks that ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from saebench.baselines.concepts.direction import ConceptDirection
from saebench.baselines.concepts.keeping import Arrays, from_arrays, to_arrays
from saebench.baselines.concepts.method import ConceptMethod, Lesson
from saebench.baselines.concepts.texts import ConceptTexts, IntArray
from saebench.data.read_concepts import ReadConcept
from saebench.data.text_rows import rows_of_texts

if TYPE_CHECKING:
    from saebench.activations.sets import ActivationSet
    from saebench.data.packing import PackedRows
    from saebench.lm.model import LanguageModel


class ConceptBench(Protocol):
    """What fitting asks of a task's bench."""

    lm: LanguageModel
    eval_seed: int

    def harvest(self, rows: PackedRows, site: str) -> ActivationSet:
        """Stored activations of a site."""

    def artefact(self, name: str, identity: Mapping[str, Any], make: Callable[[], Arrays]) -> Arrays:
        """Named arrays, made once and kept."""


def texts_of(
    bench: ConceptBench, one: ReadConcept, site: str, rows: IntArray, *, with_entry: bool = False
) -> ConceptTexts:
    """Some texts of a concept at a site; `with_entry`: and what the model needs to resume from there."""
    stored = bench.harvest(one.rows, site)
    entry = bench.lm.entry_site(site) if with_entry else None
    return ConceptTexts.of(stored, rows, one.texts, bench.harvest(one.rows, entry) if entry else None)


def lesson_of(bench: ConceptBench, method: ConceptMethod, one: ReadConcept, site: str) -> Lesson:
    """The training texts of a concept; draws depend on the evaluation seed and the concept's name."""
    texts = texts_of(bench, one, site, one.train, with_entry=method.needs_model)
    return Lesson(texts, one.y_train, f"{bench.eval_seed}:{one.name}", bench.lm)


def fitted(bench: ConceptBench, method: ConceptMethod, one: ReadConcept, site: str) -> ConceptDirection:
    """The method's concept, from the artefacts where any task has fitted it before.

    Raises:
        SubjectFailed, DataError: as the method's `fit`.
    """
    identity = {"method": method.recipe(), "texts": one.lesson_fingerprint(), "site": site, "seed": bench.eval_seed}
    kept = bench.artefact(
        "concept direction", identity, lambda: to_arrays(method.fit(lesson_of(bench, method, one, site)))
    )
    return from_arrays(kept, method.dictionary)


@torch.no_grad()
def lesson_of_texts(
    lm: LanguageModel, site: str, texts: Sequence[str], y: IntArray, *, context: int = 64, seed: str = "0"
) -> Lesson:
    """A lesson of texts of one's own, read by the model at once.

    ::

        lesson = lesson_of_texts(lm, "blocks.9.hook_resid_post", texts, labels)
        save_concept(DiffMean().fit(lesson), Path("sea.npz"))

    Args:
        lm: the model.
        site: where.
        texts, y: texts with labels 0 and 1, in an order that says nothing of the labels.
        context: tokens of a text, begin-of-text token included; longer texts lose their end.
        seed: any text.

    Raises:
        DataError: a text without a token that counts, or a label without a text.
    """
    rows = rows_of_texts(
        texts,
        lm.tokenizer,
        tokenizer_hash=lm.tokenizer_hash,
        context=context,
        ids=[str(row) for row in range(len(texts))],
        name="texts",
        licence="not stated",
    )
    tokens = torch.from_numpy(rows.tokens.astype(np.int64))
    entry = lm.entry_site(site)
    seen = lm.capture(tokens, [site, *([entry] if entry else [])])
    mask = torch.from_numpy(rows.mask)
    held = ConceptTexts(seen[site].cpu(), mask, tokens, tuple(texts), site, seen[entry].cpu() if entry else None)
    return Lesson(held, y, seed, lm)
