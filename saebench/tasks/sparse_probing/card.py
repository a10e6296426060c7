"""The card of `sparse_probing@1`: means over questions. A question is a set, a positive class and a level.

Questions whose prompts a dictionary was trained on have `counted` = 0 and all their columns are multiplied by it, so
that they weigh nothing. Clusters are families of data sets: sets that were cut from one source are one draw.
"""

from __future__ import annotations

from saebench.tasks.contract import Above, Card, Direction, Metric

QUESTIONS = "questions"
TEXTS = "texts"
COUNTED = "counted"
SHARE = "share"
"""Column of the texts: one over the test texts of a question, 0 where it is not counted."""
KS: dict[str, int | None] = {"1": 1, "2": 2, "5": 5, "10": 10, "16": 16, "128": 128, "all": None}
"""Numbers of probed latents by the name that they have in metrics; None: every latent."""
BASELINES = ("logreg", "pca", "knn")
"""Probes of the raw activation, which see no dictionary."""
MEASURES = {
    "auc": ("area under the ROC curve on test rows", 0.5),
    "accuracy": ("accuracy on test rows", None),
    "f1": ("F1 on test rows, both classes weighted by their size", None),
}


def _mean(
    name: str,
    definition: str,
    direction: Direction = "none",
    low: float | None = 0.0,
    high: float | None = 1.0,
    null: float | None = None,
    unit: str = "",
) -> Metric:
    numerator, denominator = {name: 1.0}, {COUNTED: 1.0}
    return Metric(
        name,
        definition,
        numerator,
        denominator,
        QUESTIONS,
        direction=direction,
        low=low,
        high=high,
        null=null,
        unit=unit,
    )


def _by_text(k: str) -> Metric:
    return Metric(
        f"auc_k{k}_by_text",
        f"auc_k{k}, with test texts as the items (DeLong et al. 1988): its interval is for another draw of texts from "
        "the same sets, that of auc_k is for another draw of sets.",
        {f"auc_k{k}": 1.0},
        {SHARE: 1.0},
        TEXTS,
        direction="up",
        low=0.0,
        high=1.0,
        null=0.5,
    )


def _of_latents(k: str) -> str:
    return "every latent" if k == "all" else f"the {k} latents whose class means differ most on training rows"


METRICS = (
    *(
        _mean(
            f"{measure}_k{k}",
            f"Mean over questions of the {words}: logistic probe on {_of_latents(k)}.",
            "up",
            null=null,
        )
        for measure, (words, null) in MEASURES.items()
        for k in KS
    ),
    *(_by_text(k) for k in KS),
    _mean("auc_logreg", "The same for a logistic probe on the raw activation.", null=0.5),
    _mean("auc_pca", "The same for a logistic probe on leading principal components of the raw activation.", null=0.5),
    _mean("auc_knn", "The same for the nearest neighbours of the raw activation.", null=0.5),
    _mean(
        "auc_quiver",
        "Mean test AUC where each question takes the raw-activation probe of the best validation AUC.",
        null=0.5,
    ),
    _mean(
        "auc_quiver_with_dictionary",
        "As auc_quiver, with the dictionary's probes among the candidates; a tie goes to the raw activation.",
        "up",
        null=0.5,
    ),
    _mean(
        "quiver_gain",
        "auc_quiver_with_dictionary - auc_quiver: what the dictionary adds to someone who has the raw activation.",
        "up",
        low=-1.0,
        null=0.0,
    ),
    _mean("dictionary_chosen", "Share of questions in which a probe of the dictionary has the best validation AUC."),
    _mean("l0", "Mean number of latents that are not zero in a probed text.", high=None, unit="latents"),
)

CARD = Card(
    id="sparse_probing",
    version=1,
    question="How much do a few latents say about what a text is, and do they add anything to the raw activation?",
    source="Gurnee et al. 2023 (arXiv 2305.01610); Kantamneni et al. 2025 (arXiv 2502.16681), protocol of sae-probes "
    "0.4.2 with repeated and contradicted prompts removed before the split",
    metrics=METRICS,
    headline=("auc_k16", "auc_k16_by_text", "auc_k1", "auc_kall", "quiver_gain", "auc_logreg", "l0"),
    paired_by={QUESTIONS: "question", TEXTS: "test text of a question"},
    control_order=(
        "a trained dictionary is above random at small k",
        "permuted ties with the dictionary that it permutes, as it has the same codes",
        "identity is the k-sparse probe of raw dimensions",
        "mean is .5: its codes are constant",
    ),
    expected=(
        Above("auc_k1", "trained", "random"),
        Above("auc_k16", "trained", "random"),
    ),
    cost_note="One pass of the model up to the site over the probed texts, shared by all subjects; then one encode and "
    "a few small convex fits a question.",
)
