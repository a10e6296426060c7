"""The card of `reconstruction@1`: every metric as a declared ratio of sums over documents or latents.

Notation: x an activation on an unmasked token, x' its reconstruction, m the mean activation of the evaluated
unmasked tokens. Sums run over unmasked tokens for activation metrics, and for losses over positions whose token
and next token are both unmasked. Spliced: x' replaces x at unmasked positions and the model is resumed from the
site; zero- and mean-ablated: 0 or m replaces x at the same positions.
"""

from __future__ import annotations

from functools import partial

from saebench.tasks.contract import Above, Card, Direction, Metric

DOCUMENTS = "documents"
LATENTS = "latents"

_ACTIVATION = {"tokens": 1.0}
_LOSS = {"predictions": 1.0}


_document = partial(Metric, table=DOCUMENTS)


def _latent(name: str, definition: str, high: float = 1.0, low: float = 0.0, direction: Direction = "none") -> Metric:
    return Metric(name, definition, {name: 1.0}, {"1": 1.0}, LATENTS, low=low, high=high, direction=direction)


METRICS = (
    _document(
        "loss_recovered",
        "(CE zero-ablated - CE spliced) / (CE zero-ablated - CE clean): the share of the loss that the site's "
        "content is worth and that the reconstruction keeps.",
        {"ce_zero": 1, "ce_spliced": -1},
        {"ce_zero": 1, "ce_clean": -1},
        direction="up",
        high=1.0,
    ),
    _document(
        "loss_recovered_mean",
        "(CE mean-ablated - CE spliced) / (CE mean-ablated - CE clean): as loss_recovered, above the mean "
        "activation instead of above nothing.",
        {"ce_mean": 1, "ce_spliced": -1},
        {"ce_mean": 1, "ce_clean": -1},
        direction="up",
        null=0.0,
        high=1.0,
    ),
    _document(
        "ce_clean",
        "Next-token cross-entropy of the untouched model.",
        {"ce_clean": 1},
        _LOSS,
        unit="nats",
        direction="none",
        low=0.0,
    ),
    _document(
        "ce_spliced",
        "Next-token cross-entropy with the reconstruction spliced in.",
        {"ce_spliced": 1},
        _LOSS,
        unit="nats",
        direction="down",
        low=0.0,
    ),
    _document("ce_zero", "Next-token cross-entropy, zero-ablated.", {"ce_zero": 1}, _LOSS, unit="nats", low=0.0),
    _document("ce_mean", "Next-token cross-entropy, mean-ablated.", {"ce_mean": 1}, _LOSS, unit="nats", low=0.0),
    _document(
        "kl",
        "KL(clean || spliced) of the next-token distribution.",
        {"kl": 1},
        _LOSS,
        unit="nats",
        direction="down",
        low=0.0,
    ),
    _document(
        "kl_recovered",
        "1 - KL(clean || spliced) / KL(clean || zero-ablated).",
        {"kl": 1},
        {"kl_zero": 1},
        complement=True,
        direction="up",
        high=1.0,
    ),
    _document(
        "fvu",
        "Fraction of variance unexplained: sum |x - x'|^2 / sum |x - m|^2.",
        {"sse": 1},
        {"sst": 1},
        direction="down",
        low=0.0,
        null=1.0,
    ),
    _document(
        "explained_variance",
        "1 - sum |x - x'|^2 / sum |x - m|^2, about the mean: predicting the mean scores 0.",
        {"sse": 1},
        {"sst": 1},
        complement=True,
        direction="up",
        high=1.0,
        null=0.0,
    ),
    _document(
        "cosine",
        "Mean cosine of x and x'; a zero vector counts as cosine 0.",
        {"cosine": 1},
        _ACTIVATION,
        direction="up",
        low=-1.0,
        high=1.0,
    ),
    _document(
        "l2_ratio",
        "Mean of |x'| / |x|, with 1 in place of an |x| below 1e-4: below 1 is shrinkage.",
        {"l2_ratio": 1},
        _ACTIVATION,
        low=0.0,
    ),
    _document(
        "reconstruction_bias",
        "Relative reconstruction bias: sum |x'|^2 / sum x.x' (Rajamanoharan et al. 2024, Gated SAEs); "
        "1 is unbiased, below 1 is shrinkage.",
        {"ssr": 1},
        {"dot": 1},
    ),
    _document("l0", "Mean number of latents with code != 0 on a token.", {"l0": 1}, _ACTIVATION, low=0.0),
    _document("l1", "Mean over tokens of sum |code|.", {"l1": 1}, _ACTIVATION, low=0.0),
    _latent("dead_fraction", "Share of latents that are active on no evaluated token.", direction="down"),
    _latent("dense_1pct", "Share of latents active on more than 1 % of tokens."),
    _latent("dense_10pct", "Share of latents active on more than 10 % of tokens."),
    _latent("max_decoder_cosine", "Mean over latents of the largest cosine of its atom with another atom.", low=-1.0),
    _latent(
        "max_encoder_cosine",
        "Mean over latents of the largest cosine of its encoder direction with another one.",
        low=-1.0,
    ),
    _document(
        "legacy_explained_variance",
        "sae-bench `explained_variance_legacy`, the value that was published: mean over tokens of "
        "1 - |x - x'|^2 / |x - mean of the token's batch|^2, batches of 16 rows.",
        {"legacy_explained_variance": 1},
        _ACTIVATION,
        group="legacy",
    ),
    _document(
        "legacy_explained_variance_060",
        "sae-bench 0.6.0 `explained_variance`: 1 - R / (S - (S/d)^2) with R = mean |x - x'|^2 and S = mean |x|^2; "
        "the term subtracted from S is not the squared mean, so that predicting the mean does not score 0.",
        {"sse": 1},
        {"legacy_variance_060": 1},
        complement=True,
        group="legacy",
    ),
    _document(
        "legacy_mse",
        "sae-bench 0.6.0 `mse`: mean of |x - x'|^2 / (unmasked tokens in the batch of 16 rows); it shrinks as the "
        "batch grows.",
        {"legacy_mse": 1},
        _ACTIVATION,
        group="legacy",
    ),
    _document(
        "legacy_l1",
        "sae-bench 0.6.0 `l1`: mean over tokens of the signed sum of codes.",
        {"legacy_l1": 1},
        _ACTIVATION,
        group="legacy",
    ),
    _document(
        "legacy_ce_loss_score",
        "sae-bench `ce_loss_score` with special tokens kept under the splice: loss positions are those whose own "
        "token is unmasked (predictions of special tokens count), and zero ablation also zeroes masked positions.",
        {"legacy_ce_zero": 1, "legacy_ce_spliced": -1},
        {"legacy_ce_zero": 1, "legacy_ce_clean": -1},
        group="legacy",
    ),
)

CARD = Card(
    id="reconstruction",
    version=1,
    question="Does the dictionary give back what the model needs at its site, and with how many latents?",
    source="Cunningham et al. 2023; Gao et al. 2024, section 2; Rajamanoharan et al. 2024; sae-bench core (Karvonen "
    "et al. 2025), with its explained variance, MSE, KL and L1 corrected.",
    metrics=METRICS,
    headline=("loss_recovered", "fvu", "explained_variance", "ce_spliced", "kl", "cosine", "l0", "dead_fraction"),
    paired_by={DOCUMENTS: "document"},
    control_order=("identity", "trained", "permuted and random"),
    expected=(
        Above("loss_recovered", "identity", "trained"),
        Above("loss_recovered", "trained", "random"),
        Above("loss_recovered", "trained", "permuted"),
        Above("loss_recovered", "trained", "mean"),
        Above("fvu", "identity", "trained"),
        Above("fvu", "trained", "random"),
        Above("fvu", "trained", "permuted"),
    ),
    cost_note="One clean, two ablated and one back-comparison pass of the layers above the site for the group; one "
    "encode, one decode and one pass above the site for each dictionary.",
)
