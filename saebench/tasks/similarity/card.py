"""The card of `similarity@1`: every metric as a declared ratio of sums.

A statistic theta that is no ratio of sums (CKA, SVCCA, RSA, AUC) is the mean of jackknife pseudo-values over G groups
of its units, theta + (G - 1) (mean of theta without a group - theta without group g). The mean of these is theta
itself, and their spread is that of the jackknife.
"""

from __future__ import annotations

from functools import partial

from saebench.tasks.contract import Above, Card, Metric

DOCUMENTS = "document_groups"
PAIRS = "pair_groups"
PERMUTATIONS = "permutations"
LATENTS = "latents"
INSERTED = "inserted_groups"
MATCHED = "matched"
MATCHED_ALL = "matched_all_weights"
LABELS = "labels"

_each = {"1": 1.0}


def _pseudo(name: str, table: str, definition: str, **more: object) -> Metric:
    return Metric(name, definition, {name: 1.0}, _each, table, **more)  # type: ignore[arg-type]


_cka = partial(_pseudo, table=DOCUMENTS, high=1.0)
_latents = partial(Metric, table=LATENTS)

METRICS = (
    _cka(
        "cka_codes",
        definition="Debiased linear CKA of the codes of both dictionaries on the same tokens (pseudo-values over "
        "groups of documents). 1: the same up to rotation and scale; 0: unrelated, whatever the widths. Two random "
        "dictionaries of one site are not unrelated: both keep the geometry of the activations.",
        direction="up",
    ),
    _cka(
        "cka_reconstructions",
        definition="Debiased linear CKA of both reconstructions of the same tokens (pseudo-values over groups of "
        "documents). Two faithful dictionaries of one site score near 1 whatever their latents are.",
        direction="up",
    ),
    _cka(
        "cka_codes_biased",
        definition="Linear CKA of the codes as published (Kornblith et al. 2019): it tends to 1 as widths approach the "
        "number of tokens, whatever the data.",
        low=0.0,
        group="legacy",
    ),
    _cka(
        "cka_reconstructions_biased",
        definition="Linear CKA of the reconstructions as published.",
        low=0.0,
        group="legacy",
    ),
    _pseudo(
        "svcca",
        PAIRS,
        "Mean canonical correlation of the subspaces that hold 99 % of the variance of the atoms of either dictionary, "
        "atoms being paired one to one by the correlation of their codes (pseudo-values over groups of pairs). Chance "
        "scores svcca_null.",
        direction="up",
        low=0.0,
        high=1.0,
    ),
    _pseudo(
        "rsa",
        PAIRS,
        "Spearman's correlation between the cosines of all atoms of the one and those of their partners in the other, "
        "pairs as for svcca (pseudo-values over groups of pairs). It does not change when a side is rotated.",
        direction="up",
        low=-1.0,
        high=1.0,
        null=0.0,
    ),
    _pseudo(
        "rsa_correlation",
        PAIRS,
        "RSA as published by Lan et al. 2024: Pearson correlations of atoms in place of cosines. It changes when a "
        "side is rotated, and compares dictionaries that share a basis alone.",
        low=-1.0,
        high=1.0,
        group="legacy",
    ),
    Metric(
        "svcca_null",
        "Mean SVCCA of random pairings of the same atoms.",
        {"svcca_drawn": 1},
        {"drawn": 1},
        PERMUTATIONS,
        low=0.0,
        high=1.0,
    ),
    Metric(
        "svcca_p",
        "Permutation p of SVCCA: (1 + random pairings that score as high) / (1 + random pairings).",
        {"svcca_reached": 1},
        _each,
        PERMUTATIONS,
        low=0.0,
        high=1.0,
    ),
    Metric(
        "rsa_p",
        "Permutation p of RSA, likewise.",
        {"rsa_reached": 1},
        _each,
        PERMUTATIONS,
        low=0.0,
        high=1.0,
    ),
    _latents(
        "mmcs_first",
        "Mean over latents of the first dictionary of the largest cosine of its atom with an atom of the second.",
        {"first_cosine": 1},
        {"first": 1},
        direction="up",
        low=-1.0,
        high=1.0,
    ),
    _latents(
        "mmcs_second",
        "Mean over latents of the second dictionary of the largest cosine of its atom with an atom of the first.",
        {"second_cosine": 1},
        {"second": 1},
        direction="up",
        low=-1.0,
        high=1.0,
    ),
    _latents(
        "mmcs_first_calibrated",
        "(mmcs_first - null) / (1 - null), the null being the expected largest cosine with as many random directions.",
        {"first_cosine": 1, "first_null": -1},
        {"first": 1, "first_null": -1},
        direction="up",
        high=1.0,
        null=0.0,
    ),
    _latents(
        "mmcs_second_calibrated",
        "(mmcs_second - null) / (1 - null), likewise.",
        {"second_cosine": 1, "second_null": -1},
        {"second": 1, "second_null": -1},
        direction="up",
        high=1.0,
        null=0.0,
    ),
    _latents(
        "novel_fraction",
        "Share of the latents of the larger dictionary whose largest cosine with an atom of the smaller one is at most "
        "0.7; of two equal widths the first is taken as the larger.",
        {"novel": 1},
        {"larger": 1},
        low=0.0,
        high=1.0,
    ),
    _latents(
        "novel_helps",
        "Share of the novel latents that fire whose insertion into the smaller dictionary lowers its squared error.",
        {"novel_helps": 1},
        {"novel_fires": 1},
        low=0.0,
        high=1.0,
    ),
    _latents(
        "reconstruction_hurts",
        "Share of the other latents of the larger dictionary that fire whose insertion raises the squared error.",
        {"reconstruction_hurts": 1},
        {"reconstruction_fires": 1},
        low=0.0,
        high=1.0,
    ),
    _pseudo(
        "insertion_auc",
        INSERTED,
        "Probability that a latent whose insertion raises the squared error has a larger maximal cosine than one whose "
        "insertion does not (pseudo-values over groups of latents that fire).",
        low=0.0,
        high=1.0,
        null=0.5,
    ),
    Metric(
        "match_mse",
        "SAE Match: mean over coordinates of the squared difference of matched atoms, under the one-to-one matching "
        "that makes it smallest; JumpReLU dictionaries in folded coordinates, where every threshold is 1.",
        {"squared": 1},
        {"coordinates": 1},
        MATCHED,
        direction="down",
        low=0.0,
    ),
    Metric(
        "match_distance",
        "The same as a share of what it would be for orthogonal partners: sum |a - b|^2 / sum (|a|^2 + |b|^2).",
        {"squared": 1},
        {"sizes": 1},
        MATCHED,
        direction="down",
        low=0.0,
        high=2.0,
    ),
    Metric(
        "match_fires_together",
        "Of the tokens on which a matched latent of the first dictionary is active, the share on which its partner is.",
        {"together": 1},
        {"fires": 1},
        MATCHED,
        direction="up",
        low=0.0,
        high=1.0,
    ),
    Metric(
        "match_mse_all_weights",
        "As match_mse over atom, encoder row and encoder bias together.",
        {"squared": 1},
        {"coordinates": 1},
        MATCHED_ALL,
        direction="down",
        low=0.0,
    ),
    Metric(
        "match_distance_all_weights",
        "As match_distance over atom, encoder row and encoder bias together.",
        {"squared": 1},
        {"sizes": 1},
        MATCHED_ALL,
        direction="down",
        low=0.0,
        high=2.0,
    ),
    Metric(
        "itda_jaccard",
        "Labels (document, token) of atoms that both dictionaries have, as a share of those that either has.",
        {"both": 1},
        _each,
        LABELS,
        direction="up",
        low=0.0,
        high=1.0,
    ),
)

CARD = Card(
    id="similarity",
    version=1,
    question="Do two dictionaries say the same, with the same atoms and the same weights?",
    source="Kornblith et al. 2019 (CKA); Raghu et al. 2017 and Lan et al. 2024 (SVCCA, RSA); Balagansky et al. 2024 "
    "(SAE Match); Leask et al. 2025 (stitching); arXiv 2505.17769 (ITDA).",
    metrics=METRICS,
    headline=("mmcs_first_calibrated", "mmcs_second_calibrated", "match_distance", "rsa", "novel_fraction"),
    paired_by={DOCUMENTS: "group of documents"},
    control_order=(
        "a dictionary and itself with its latents permuted: 1 on every similarity, match_mse 0",
        "two seeds of one architecture",
        "two random dictionaries: 0 on mmcs_*_calibrated and rsa, novel_fraction 1",
    ),
    expected=(
        Above("mmcs_first_calibrated", "trained", "random"),
        Above("mmcs_second_calibrated", "trained", "random"),
        Above("rsa", "trained", "random"),
    ),
    cost_note="One encoding pass over at most 16,384 tokens for each member, then matrix products of 4,096 tokens and "
    "of 2,048 atoms: about a minute a pair on two cores.",
)
