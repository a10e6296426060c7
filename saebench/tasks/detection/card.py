"""The card of `detection@1`: means over concepts.

Columns of concepts are multiplied by what counts: `counted` is 0 where a dictionary was trained on texts of the
concept, `hard` besides where a concept has no hard negatives, `marked` where its label is not about words. Clusters
are families: concepts that were cut from one source are one draw.
"""

from __future__ import annotations

from saebench.baselines.concepts.texts import Pooling
from saebench.tasks.contract import Above, Card, Direction, Metric

CONCEPTS = "concepts"
TEXTS = "texts"
COUNTED, HARD, MARKED = "counted", "hard", "marked"
SHARE = "share"
"""Column of the texts: one over the test texts of a concept, 0 where it is not counted."""
POOLINGS: tuple[Pooling, ...] = ("max", "mean")

MEASURES = {
    "auroc_max": COUNTED,
    "auroc_mean": COUNTED,
    "auroc_max_sign_free": COUNTED,
    "auroc_mean_sign_free": COUNTED,
    "auroc_max_hard": HARD,
    "auroc_mean_hard": HARD,
    "hard_rejected": HARD,
    "auroc_token": MARKED,
}
"""Columns of the concepts, with the column that says where they count."""


def _mean(name: str, definition: str, direction: Direction = "up", null: float | None = 0.5) -> Metric:
    return Metric(
        name,
        definition,
        {name: 1.0},
        {MEASURES[name]: 1.0},
        CONCEPTS,
        direction=direction,
        low=0.0,
        high=1.0,
        null=null,
    )


def _by_text(pooling: str) -> Metric:
    return Metric(
        f"auroc_{pooling}_by_text",
        f"auroc_{pooling}, with test texts as the items (DeLong et al. 1988): its interval is for another draw of "
        f"texts of the same concepts, that of auroc_{pooling} is for another draw of concepts.",
        {f"auroc_{pooling}": 1.0},
        {SHARE: 1.0},
        TEXTS,
        direction="up",
        low=0.0,
        high=1.0,
        null=0.5,
    )


METRICS = (
    _mean(
        "auroc_max",
        "Mean over concepts of the area under the ROC curve on test texts; a text scores as its highest token does.",
    ),
    _mean("auroc_mean", "The same; a text's score is the mean over its tokens."),
    *(_by_text(pooling) for pooling in POOLINGS),
    _mean(
        "auroc_max_sign_free",
        "Mean over concepts of max(A, 1 - A), A the concept's auroc_max: what the direction is worth to someone who "
        "chooses its sign on the test texts.",
        "none",
        None,
    ),
    _mean("auroc_mean_sign_free", "The same of auroc_mean.", "none", None),
    _mean("auroc_max_hard", "As auroc_max, positives against hard negatives, over concepts that have some."),
    _mean("auroc_mean_hard", "As auroc_mean, positives against hard negatives, over concepts that have some."),
    _mean(
        "hard_rejected",
        "Mean over concepts of the share of hard negatives whose highest token is not above the threshold with the "
        "largest true minus false positive rate on the training texts.",
        null=None,
    ),
    _mean(
        "auroc_token",
        "Mean over concepts whose label is about words: AUROC of token scores, tokens of those words against all "
        "other tokens of the test texts.",
    ),
)

CARD = Card(
    id="detection",
    version=1,
    question="Does one direction, or one latent, tell whether a concept is in a text, and how well do simple methods?",
    source="Wu et al. 2025 (AxBench, arXiv 2501.17148), concept detection; hard negatives reported instead of dropped",
    metrics=METRICS,
    headline=("auroc_max", "auroc_max_by_text", "auroc_mean", "auroc_max_hard", "auroc_token"),
    paired_by={CONCEPTS: "concept", TEXTS: "test text of a concept"},
    control_order=(
        "diffmean and the probe are above a random direction",
        "a trained dictionary is above a random one, whose best of as many latents is chosen alike",
        "permuted labels and a random direction are near .5; the labels chose the sign of the latter, which lifts it",
        "a permuted dictionary ties with the dictionary that it permutes, as it has the same codes",
    ),
    expected=(Above("auroc_max", "trained", "random"),),
    cost_note="One pass of the model up to the site over the texts, shared by all subjects; then one encode or one fit "
    "a concept. ReFT-r1 and SSV train through the model: about a minute a concept on two cores.",
)
