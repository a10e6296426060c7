"""What a suite may set for `sparse_probing@1`, and the default data sets."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from saebench.tasks.contract import Params

Regime = Literal["standard", "scarcity", "imbalance", "noise", "shift"]

SHIFT_SETS = (
    "5_hist_fig_ismale",
    "6_hist_fig_isamerican",
    "7_hist_fig_ispolitician",
    "66_living-room",
    "67_social-security",
    "73_control-group",
    "87_glue_cola",
    "90_glue_qnli",
)
"""Sets that come with a test file of another distribution (Kantamneni et al. 2025, section on covariate shift)."""

DEFAULT_SETS = (
    "21_headline_istrump",
    "36_sciq_tf",
    "42_temp_sense",
    "60_wikidata_occupation_isathlete",
    "94_ai_gen",
    "95_toxic_is",
    "96_spam_is",
    "105_click_bait",
    "107_hate_offensive",
    "110_aimade_humangpt3",
    "123_world_country_United_Kingdom",
    "129_arith_mc_A",
    "130_temp_cat_Frequency",
    "133_context_type_Causality",
    "139_news_class_Politics",
    "159_code_Python",
)
"""What a small model can tell apart, one set a family; how they were chosen stands in the card."""

LEVELS: dict[Regime, tuple[float, ...]] = {
    "scarcity": (2, 3, 4, 5, 7, 10, 14, 20, 28, 38, 53, 74, 103, 143, 198, 275, 382, 531, 737, 1024),
    "imbalance": tuple(round(0.05 * step, 2) for step in range(1, 20)),
    "noise": tuple(round(0.05 * step, 2) for step in range(11)),
}
"""The published grids (protocol of sae-probes): training rows, shares of positives, shares of flipped labels."""


class ProbingParams(Params):
    """What a suite may set."""

    datasets: tuple[str, ...] = ()
    """Names of packaged sets or paths of users' YAML files; none: the default sixteen, or the sets that have a shifted
    test file where the regime is "shift"."""
    regime: Regime = "standard"
    """standard: balanced classes. scarcity: few training rows. imbalance: another share of positives, in training and
    test alike. noise: flipped training labels. shift: test texts of another distribution."""
    levels: tuple[float, ...] = ()
    """Grid of the regime: training rows, shares of positives, or shares of flipped labels; none: the published grid."""
    mode: Literal["saebench", "sae_probes"] = "saebench"
    """sae_probes reproduces that package, leak of repeated prompts from training to test included: its split (of its
    own size, whatever `train_rows` and `test_rows` say), ranking, solver and grid. For back-comparison only."""
    train_rows: int = Field(default=512, ge=4)
    """At most so many training rows, both classes together."""
    test_rows: int = Field(default=200, ge=2)
    """At most so many test rows."""
    context: int = Field(default=128, ge=2)
    """Tokens of a text that are read, begin-of-text token included; longer texts lose their end."""
    pooling: Literal["last", "mean"] = "last"
    """Which activation stands for a text: its last token's, or the mean over its tokens (of codes, for latents)."""
    binarise: bool = False
    """Probe whether a latent is active instead of how much."""
