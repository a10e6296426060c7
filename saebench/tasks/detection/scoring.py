"""What one fitted concept is worth on its test texts, its hard negatives and, where labels allow, its tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from saebench.baselines.concepts.direction import ConceptDirection
from saebench.baselines.concepts.texts import ConceptTexts
from saebench.data.read_concepts import ReadConcept
from saebench.stats.auroc import auc, auc_by_text, youden_threshold
from saebench.tasks.detection.card import POOLINGS

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class AskedTexts:
    """The texts of one concept at a site: training texts, test texts, and hard negatives where there are some."""

    train: ConceptTexts
    test: ConceptTexts
    hard: ConceptTexts | None


@dataclass(frozen=True)
class Outcome:
    """One subject on one concept.

    Attributes:
        measures: by name; those that cannot be had are absent.
        by_text: under "max" and "mean", what each test text contributes to the AUROC, `[test texts]`.
        notes: the fit's own, with its sign and its training AUROC.
    """

    measures: dict[str, float]
    by_text: dict[str, FloatArray]
    notes: dict[str, Any] = field(default_factory=dict)


def outcome(found: ConceptDirection, one: ReadConcept, asked: AskedTexts) -> Outcome:
    """Score a fitted concept.

    Raises:
        SubjectFailed: a score is not finite.
    """
    measures: dict[str, float] = {}
    by_text: dict[str, FloatArray] = {}
    positive = one.y_test == 1
    for pooling in POOLINGS:
        scores = found.text_scores(asked.test, pooling)
        area = auc(scores, one.y_test)
        measures[f"auroc_{pooling}"] = area
        measures[f"auroc_{pooling}_sign_free"] = max(area, 1 - area)
        by_text[pooling] = auc_by_text(scores, one.y_test)
        if asked.hard is not None:
            hard = found.text_scores(asked.hard, pooling)
            against = np.concatenate([scores[positive], hard])
            measures[f"auroc_{pooling}_hard"] = auc(against, np.repeat([1, 0], [int(positive.sum()), len(hard)]))
    trained = found.text_scores(asked.train, "max")
    if asked.hard is not None:
        threshold = youden_threshold(trained, one.y_train)
        measures["hard_rejected"] = float((found.text_scores(asked.hard, "max") <= threshold).mean())
    tokens = found.token_scores(asked.test)
    if one.marks is not None and tokens is not None:
        mask = one.rows.mask[one.test]
        measures["auroc_token"] = auc(tokens, one.marks[one.test][mask].astype(np.int64))
    notes = {"sign": found.sign, "auroc_max_training": auc(trained, one.y_train), **found.notes}
    return Outcome(measures, by_text, notes)
