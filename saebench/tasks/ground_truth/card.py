"""The card of `ground_truth@1`: every metric as a declared ratio of sums over features, latents or documents.

Notation: d_j the true directions, w_i the atoms, c_ij their |cosine|. Feature i* = argmax_j c_ij is what latent i is
nearest to. Of the latents nearest to a feature the one with the largest c_ij stands for it; a feature that is nobody's
nearest is missed. A latent fires where its code is not 0; TP, FP and FN count evaluated samples.
"""

from __future__ import annotations

from functools import partial

from saebench.tasks.contract import Above, Card, Direction, Metric

FEATURES = "features"
LATENTS = "latents"
DOCUMENTS = "documents"

_document = partial(Metric, table=DOCUMENTS)


def _feature(
    name: str, definition: str, counted: str = "1", direction: Direction = "up", low: float = 0.0, high: float = 1.0
) -> Metric:
    return Metric(name, definition, {name: 1}, {counted: 1}, FEATURES, direction=direction, low=low, high=high)


def _f1_of(name: str, which: str) -> Metric:
    return Metric(
        f"f1_{name}",
        f"As f1, over features {which}.",
        {f"f1_{name}": 1},
        {f"counted_{name}": 1},
        FEATURES,
        direction="up",
        low=0.0,
        high=1.0,
    )


def _latent(name: str, definition: str, counted: str = "1", direction: Direction = "up") -> Metric:
    return Metric(name, definition, {name: 1}, {counted: 1}, LATENTS, direction=direction, low=0.0, high=1.0)


HEDGING = ("hedging_rate", "hedging_projection", "hedging_null")
"""Metrics of a dictionary that is trained on."""

GROUPS = {
    "rare": "in the rarest third, by how often they fire in the world",
    "middle": "in the middle third",
    "frequent": "in the most frequent third",
    "roots": "that begin a tree",
    "children": "that have a parent",
    "outside": "outside every tree",
}
"""Groups of features that have an F1 of their own."""

METRICS = (
    _feature(
        "f1",
        "Mean over features of F1 = 2 TP / (2 TP + FP + FN) of the latent that stands for the feature; a missed one "
        "has 0. Features that are on in fewer evaluated samples than `least` are left out.",
        "counted",
    ),
    _feature(
        "precision", "As f1, of TP / (TP + FP); 0 where the latent never fires or the feature is missed.", "counted"
    ),
    _feature("recall", "As f1, of TP / (TP + FN); 0 for a missed feature.", "counted"),
    *(_f1_of(name, which) for name, which in GROUPS.items()),
    Metric(
        "mcc",
        "GT-MCC: mean c_ij over the one-to-one assignment of latents and features that maximises its sum "
        "(min(L, F) pairs); blind to signs and to what the encoder does.",
        {"matched_cosine": 1},
        {"matched": 1},
        FEATURES,
        direction="up",
        low=0.0,
        high=1.0,
    ),
    Metric(
        "mcc_above_null",
        "(mcc - null) / (1 - null), the null being the mean mcc of as many random atoms with the same directions "
        "(above 2,048 rows, with random directions): 0 is chance, 1 is a copy.",
        {"matched_cosine": 1, "matched_null": -1},
        {"matched": 1, "matched_null": -1},
        FEATURES,
        direction="up",
        high=1.0,
        null=0.0,
    ),
    Metric(
        "mcc_signed",
        "As mcc, with the cosine itself: an atom that points away from its feature counts against it.",
        {"signed_cosine": 1},
        {"signed_matched": 1},
        FEATURES,
        direction="up",
        low=-1.0,
        high=1.0,
    ),
    _feature("coverage", "Share of features with a latent of |cosine| above `covered`, whatever else it is near to."),
    _feature(
        "probe_f1",
        "Mean over features of the F1 that the best single latent with a threshold has: chosen on half of the "
        "documents, scored on the other half.",
        "probed",
    ),
    _feature(
        "absorption",
        "Mean over parents that have a latent of their own (|cosine| above `covered`) of the share of their samples "
        "with a feature below them on in which the parent's latent is silent and that feature's latent adds at least "
        "`carried` of the parent's magnitude.",
        "parents",
        "down",
    ),
    _feature(
        "parent_silent_with_child",
        "Of the same samples, the share in which the parent's latent is silent, for whatever reason.",
        "parents",
        "down",
    ),
    _feature(
        "parent_silent_alone",
        "Of the samples with the parent on and nothing below it, the share in which its latent is silent.",
        "parents_alone",
        "down",
    ),
    _latent(
        "latent_f1",
        "Mean over latents of the F1 of their firing for the feature that they are nearest to; 0 where "
        "undefined (convention of sae-lens).",
    ),
    _latent("latent_precision", "As latent_f1, of TP / (TP + FP)."),
    _latent("latent_recall", "As latent_f1, of TP / (TP + FN)."),
    _latent("uniqueness", "Distinct features that latents are nearest to, over latents."),
    _latent("dead_fraction", "Share of latents that fire on no evaluated sample.", direction="down"),
    _latent(
        "mixing",
        "Mean over latents that have found a feature (|cosine| above `covered`) of the share of the atom that lies on "
        "features that fire together with it: with the atom = b_0 d_own + sum_j b_j d_j by least squares over features "
        "j of correlation at least 0.1, sum max(b_j, 0)^2 / (b_0^2 + sum max(b_j, 0)^2).",
        "mixed",
        "down",
    ),
    _latent(
        "mixing_strangers",
        "As mixing, over as many features that do not fire together with it: what the atom's noise gives.",
        "mixed",
        "none",
    ),
    Metric(
        "hedging_rate",
        "(p - b) / (1 - b): how far atoms move into the span of `hedging_latents` new ones. The dictionary is trained "
        "on for `hedging_steps` steps of 1,024 samples, once as it is and once with the new latents, with the same "
        "batches, fresh Adam, its own rate, constant. With atoms at norm 1, delta_i = w_i (with) - w_i (without) over "
        "its own latents; p = mean |projection of delta_i on the span of the new atoms|; b the same for as many "
        "Gaussian directions, mean of 50 draws. The published rate is its positive part, max(0, .). A length, not a "
        "share of delta: near 0 where nothing was hedged and also where the budget moved nothing.",
        {"hedging_projected": 1, "hedging_random": -1},
        {"hedging_norm": 1, "hedging_random": -1},
        LATENTS,
        direction="down",
    ),
    Metric("hedging_projection", "p of hedging_rate.", {"hedging_projected": 1}, {"hedging_norm": 1}, LATENTS, low=0.0),
    Metric("hedging_null", "b of hedging_rate.", {"hedging_random": 1}, {"hedging_norm": 1}, LATENTS, low=0.0),
    _document(
        "fvu",
        "Fraction of variance unexplained: sum |x - x'|^2 / sum |x - m|^2, m the mean of the evaluated activations.",
        {"sse": 1},
        {"sst": 1},
        direction="down",
        low=0.0,
        null=1.0,
    ),
    _document("l0", "Mean number of latents with code != 0 on a sample.", {"l0": 1}, {"samples": 1}, low=0.0),
    _document("l0_true", "Mean number of features that are on in a sample.", {"l0_true": 1}, {"samples": 1}, low=0.0),
    _document("l0_ratio", "l0 / l0_true: 1 is as many as there are.", {"l0": 1}, {"l0_true": 1}, low=0.0),
)

CARD = Card(
    id="ground_truth",
    version=1,
    question="Does the dictionary find the features of a world whose features are known, and fire when they are on?",
    source="Sharkey et al. 2022; Song et al. 2025 (arXiv 2505.20254) for GT-MCC; sae-lens 6.54 `synthetic` and "
    "SynthSAEBench (arXiv 2602.14687) for worlds, uniqueness and F1 by best match; Chanin et al. 2024 (2409.14507) and "
    "2025 (2505.11756) for absorption and hedging.",
    metrics=METRICS,
    headline=("f1", "mcc", "mcc_above_null", "coverage", "probe_f1", "absorption", "mixing", "fvu", "l0_ratio"),
    paired_by={FEATURES: "feature", DOCUMENTS: "document"},
    control_order=("oracle", "trained", "random", "permuted (by F1; by MCC it stands where its dictionary stands)"),
    expected=(
        Above("f1", "oracle", "trained"),
        Above("f1", "trained", "random"),
        Above("f1", "trained", "permuted"),
        Above("mcc", "oracle", "trained"),
        Above("mcc", "trained", "random"),
        Above("probe_f1", "trained", "random"),
        Above("fvu", "oracle", "trained"),
    ),
    cost_note="No language model: one encode and decode of the evaluated samples, an assignment of L x F cosines and, "
    "once for each shape, its random null; seconds on synthetic:small, minutes on synth16k.",
)
