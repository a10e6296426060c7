"""The card of `seed_consistency@1`: every metric is a ratio of sums over pairs of seeds.

Notation: two members of the set have n and m latents; min(n, m) pairs of latents are matched, one to one, so that the
summed cosine of their atoms is largest. "Own convention": the cosine itself where codes are non-negative, its absolute
value where the codes of a member may be negative (flipping atom and code together then changes nothing). A latent is
alive where it fires on an evaluated token. An atom of length zero has cosine 0 with everything and is matched so.
"""

from __future__ import annotations

from functools import partial

from saebench.tasks.contract import Above, Card, Metric
from saebench.tasks.seed_consistency.bands import BANDS

PAIRS = "pairs"

_pairs = partial(Metric, table=PAIRS)
_cosine = partial(_pairs, direction="up", low=-1.0, high=1.0, unit="cosine")
_share = partial(_pairs, low=0.0, high=1.0)


def _span(low: float, high: float) -> str:
    return f"from {low:g} to below {high:g}" if high <= 1 else f"{low:g} and more"


METRICS = (
    _cosine(
        "pw_mcc",
        "Pairwise mean correlation coefficient: mean signed cosine of matched atoms, over all pairs of seeds and all "
        "matched latents, dead ones included.",
        {"cosine": 1},
        {"matched": 1},
    ),
    _cosine(
        "pw_mcc_abs",
        "The same with absolute cosines, matched anew: what it would be if a flipped atom were the same atom.",
        {"cosine_abs": 1},
        {"matched": 1},
    ),
    _cosine(
        "pw_mcc_alive",
        "pw_mcc among the latents of either member that are alive, matched anew: min(alive, alive) pairs.",
        {"cosine_alive": 1},
        {"matched_alive": 1},
    ),
    _cosine(
        "pw_mcc_abs_alive",
        "pw_mcc_abs among the latents of either member that are alive, matched anew.",
        {"cosine_abs_alive": 1},
        {"matched_alive": 1},
    ),
    _pairs(
        "null",
        "pw_mcc of dictionaries of the same sizes whose atoms are drawn at random.",
        {"null": 1},
        {"matched": 1},
        unit="cosine",
    ),
    _pairs("null_abs", "pw_mcc_abs of such dictionaries.", {"null_abs": 1}, {"matched": 1}, unit="cosine"),
    _pairs(
        "calibrated",
        "(MCC - null) / (1 - null) over all latents, in the own convention (pw_mcc, or pw_mcc_abs where codes are "
        "signed): 0 for random dictionaries, 1 for copies.",
        {"cosine_own": 1, "null_own": -1},
        {"matched": 1, "null_own": -1},
        direction="up",
        high=1.0,
        null=0.0,
    ),
    _pairs(
        "calibrated_alive",
        "The same among latents that are alive, with the null of as many random atoms.",
        {"cosine_own_alive": 1, "null_own_alive": -1},
        {"matched_alive": 1, "null_own_alive": -1},
        direction="up",
        high=1.0,
        null=0.0,
    ),
    _share(
        "shared_fraction",
        "Share of the min(n, m) latents that decoder rows and encoder rows, matched separately, give the same partner, "
        "with both cosines at the threshold or above (0.7 unless the suite sets another; Paulo & Belrose 2025). Dead "
        "latents count.",
        {"shared": 1},
        {"matched": 1},
        direction="up",
    ),
    _share(
        "assignments_agree",
        "The same without a threshold: both assignments give the same partner.",
        {"agree": 1},
        {"matched": 1},
        direction="up",
    ),
    _share(
        "mutual_nearest",
        "Share of the min(n, m) latents that have a partner in the other dictionary, each the nearest atom of the "
        "other, with a cosine at the threshold or above.",
        {"mutual": 1},
        {"matched": 1},
        direction="up",
    ),
    _share(
        "activation_correlation",
        "Mean Pearson correlation of codes on the same tokens, zeros included, of latents matched one to one so that "
        "its sum is largest; among min(n', m') latents, n' and m' being those whose codes vary. Latents to which no "
        "positive correlation is left count 0. |r| where codes are signed.",
        {"correlation": 1},
        {"correlated": 1},
        direction="up",
    ),
    _share(
        "activation_correlation_best",
        "Mean over the latents of both members whose codes vary of the largest correlation with any latent of the "
        "other, 0 where none is positive: partners may be shared.",
        {"best_correlation": 1},
        {"varying": 1},
        direction="up",
    ),
    _pairs(
        "matched_correlation",
        "Mean correlation of codes of latents that were matched by their atoms (alive, own convention): do latents "
        "that point the same way fire alike?",
        {"fire_correlation": 1},
        {"fire_pairs": 1},
        direction="up",
        low=-1.0,
        high=1.0,
    ),
    *(
        _cosine(
            f"mcc_{name}",
            "Mean matched cosine (alive, own convention) of latents that fire on a share of tokens "
            f"{_span(low, high)}; each latent of a pair counts by its own rate.",
            {f"{name}_cosine": 1},
            {f"{name}_latents": 1},
        )
        for name, (low, high) in BANDS.items()
    ),
    _pairs(
        "fingerprint",
        "Mean correlation of the ablation fingerprints of matched latents (alive, own convention), as many drawn from "
        "each frequency band: the centred mean change of next-token logits when the latent's contribution is taken "
        "out, over the places where either latent fires, in the rows that hold most of both. 0 where one changes "
        "nothing.",
        {"fingerprint": 1},
        {"fingerprints": 1},
        direction="up",
        low=-1.0,
        high=1.0,
    ),
    _pairs(
        "fingerprint_control",
        "The same with a latent in the partner's place that is not matched: of the same member and band, drawn among "
        "those that fire at some of these places.",
        {"control": 1},
        {"controls": 1},
        low=-1.0,
        high=1.0,
    ),
    _pairs(
        "fingerprint_gain",
        "fingerprint less fingerprint_control, where there is a control: what being matched adds.",
        {"fingerprint_of_controlled": 1, "control": -1},
        {"controls": 1},
        direction="up",
        null=0.0,
        low=-2.0,
        high=2.0,
    ),
    _share("dead_fraction", "Share of latents that are not alive.", {"dead": 1}, {"latents": 1}, direction="down"),
    _share("zero_rows", "Share of atoms of length zero.", {"zero_rows": 1}, {"latents": 1}, direction="down"),
)

NEEDS_ENCODERS = ("shared_fraction", "assignments_agree")
NEEDS_FINGERPRINTS = ("fingerprint", "fingerprint_control", "fingerprint_gain")
NEEDS_NO_ATOMS = ("activation_correlation", "activation_correlation_best", "dead_fraction")

CARD = Card(
    id="seed_consistency",
    version=1,
    question="Do trainings that differ in their seed alone find the same latents?",
    source="Song et al. 2025 (arXiv 2505.20254), PW-MCC; Paulo & Belrose 2025 (arXiv 2501.16615), shared latents; "
    "Lan et al. 2024 (arXiv 2410.06981), correlation of activations. Null, bands and fingerprints are our own.",
    metrics=METRICS,
    headline=(
        "pw_mcc",
        "calibrated",
        "calibrated_alive",
        "shared_fraction",
        "activation_correlation",
        "fingerprint",
        "fingerprint_control",
    ),
    control_order=(
        "copies (1)",
        "trained (permuted decoders stand with it by atoms or codes alone, and fall by shared_fraction, "
        "matched_correlation and fingerprint, which look at both)",
        "random (calibrated 0)",
    ),
    expected=(
        Above("calibrated", "trained", "random"),
        Above("calibrated_alive", "trained", "random"),
        Above("shared_fraction", "trained", "random"),
        Above("shared_fraction", "trained", "permuted"),
        Above("fingerprint", "trained", "random"),
        Above("fingerprint", "trained", "permuted"),
    ),
    cost_note="Two assignments of all latents and two of those alive for each pair of seeds, one more where there are "
    "encoder rows; four passes of a few rows above the site for each matched pair whose fingerprint is taken.",
)
