"""The card of `absorption@1`: every metric as a declared ratio of sums over letters.

A letter counts where its ground-truth probe is good enough (see the task's parameters); columns are 0 for the others.
Its words are the held-out words that its probe finds. `measures.py` holds the formulas for one word.
"""

from __future__ import annotations

from functools import partial

from saebench.tasks.contract import Above, Card, Metric

TABLE = "letters"

_letter = partial(Metric, table=TABLE, denominator={"counted": 1.0}, low=0.0)
_share = partial(_letter, high=1.0)


def _mean(name: str) -> dict[str, float]:
    return {name: 1.0}


METRICS = (
    _share(
        "absorption_fraction_2024",
        "Mean over letters of the mean over words of (S - M) / S, clipped to [0, 1], 0 where M >= a or S <= 0: "
        "sae-bench 0.3.2, the definition of the published values. a: projection of the activation on the probe's unit "
        "vector p; s_j = f_j <atom_j, p>; M: sum of s_j over main latents; S: sum over all.",
        _mean("absorption_fraction_2024"),
        direction="down",
    ),
    _share(
        "absorption_fraction_2026",
        "Mean over letters of the mean over words of: 0 where M >= a or P / a < .4; 1 where M <= 0; else q / (q + M), "
        "q = min(P, a - M): sae-bench 0.6.0. P: sum of the 3 largest s_j > 0 of latents that are not main and whose "
        "atom has cosine >= .1 with the probe.",
        _mean("absorption_fraction_2026"),
        direction="down",
    ),
    _share(
        "full_absorption",
        "Mean over letters of the share of words on which all main latents are silent while the latent of largest "
        "s_j has cosine >= .025 with the probe and s_j / a >= .4.",
        _mean("full_absorption"),
        direction="down",
    ),
    _share(
        "absorbed_rate",
        "Mean over letters of the share of words with P / a >= .4.",
        _mean("absorbed_rate"),
        direction="down",
    ),
    _share(
        "missing_rate",
        "Mean over letters of the share of words with P / a < .4 on which all main latents are silent: no "
        "selective latent holds the letter.",
        _mean("missing_rate"),
        direction="down",
    ),
    _share(
        "partial_rate",
        "Mean over letters of the share of words with P / a < .4 on which a main latent is active and M / a < .4.",
        _mean("partial_rate"),
    ),
    _share(
        "present_rate",
        "Mean over letters of the share of words with P / a < .4 and M / a >= .4: the main latents carry the letter.",
        _mean("present_rate"),
        direction="up",
    ),
    _letter(
        "split_latents",
        "Mean over letters of the number of main latents: the best one by L1-penalised logistic regression on training "
        "words, then the next ones as long as each raises the F1 of a logistic regression on them by > .03.",
        _mean("split_latents"),
        low=1.0,
    ),
    _share(
        "first_letter_f1_k1",
        "Mean over letters of the F1 on held-out words of a logistic regression on the best latent.",
        _mean("first_letter_f1_k1"),
        direction="up",
    ),
    _share(
        "first_letter_f1_k5",
        "The same on the best five latents.",
        _mean("first_letter_f1_k5"),
        direction="up",
    ),
    _letter(
        "true_positives",
        "Mean over letters of the number of held-out words that the ground-truth probe finds: those behind the rates.",
        _mean("words"),
        unit="words",
    ),
    _letter("l0", "Mean over letters of the mean number of active latents on held-out words.", _mean("l0")),
    Metric(
        "absorber_effect",
        "Mean over checked words of the fall of (logit of the right letter - mean logit of the other letters) when the "
        "word's absorbers are taken out at its last token.",
        {"absorber_effect": 1.0},
        {"checked": 1.0},
        TABLE,
        unit="logits",
    ),
    Metric(
        "random_effect",
        "The same fall when as many other active latents, drawn at random, are taken out instead.",
        {"random_effect": 1.0},
        {"checked": 1.0},
        TABLE,
        null=0.0,
        unit="logits",
    ),
    Metric(
        "absorber_effect_above_random",
        "absorber_effect - random_effect: above 0 where absorbers carry the letter that is answered.",
        {"absorber_effect": 1.0, "random_effect": -1.0},
        {"checked": 1.0},
        TABLE,
        null=0.0,
        unit="logits",
    ),
)

NEEDS_ATOMS = (
    "absorption_fraction_2024",
    "absorption_fraction_2026",
    "full_absorption",
    "absorbed_rate",
    "missing_rate",
    "partial_rate",
    "present_rate",
)
"""Metrics of directions that latents write."""
NEEDS_CHECKS = ("absorber_effect", "random_effect", "absorber_effect_above_random")
"""Metrics of the causal check."""

CARD = Card(
    id="absorption",
    version=1,
    question="Do the latents of a first letter fire on all its words, or do other latents swallow some of them?",
    source="Chanin et al. 2024, A is for Absorption; SAEBench (Karvonen et al. 2025) with both of its definitions.",
    metrics=METRICS,
    # Ranked by the first: a dictionary without any latent for a letter has nothing to absorb and a low fraction.
    headline=(
        "present_rate",
        "absorption_fraction_2026",
        "absorption_fraction_2024",
        "full_absorption",
        "missing_rate",
        "first_letter_f1_k1",
        "l0",
    ),
    paired_by={TABLE: "letter"},
    control_order=("trained, by present_rate", "random and permuted, which have nothing to absorb"),
    expected=(
        Above("present_rate", "trained", "random"),
        Above("present_rate", "trained", "permuted"),
    ),
    cost_note="Prompts of all words pass the layers up to the site once for all dictionaries of a site, whatever their "
    "number; then each dictionary encodes a few thousand activations, and a few dozen words of its own pass the whole "
    "model three times for the causal check.",
)
