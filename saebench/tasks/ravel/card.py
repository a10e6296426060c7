"""The card of `ravel@1`: every metric as a ratio of weighted sums over test pairs.

Notation: a pair is right (1) or wrong (0), where right means that the wanted token is the likeliest one of the whole
vocabulary behind the base prompt, with the swap in place. Weights make every attribute count the same, and within an
attribute the cause pairs as much as the isolation pairs.
"""

from __future__ import annotations

from functools import partial

from saebench.tasks.contract import Above, Card, Metric

PAIRS = "pairs"

_share = partial(Metric, table=PAIRS, low=0.0, high=1.0)
_up = partial(_share, direction="up")

METRICS = (
    _up(
        "cause",
        "Share of cause pairs right: the latents of an attribute's mask come from the source entity, and the model "
        "gives the source's value of that attribute.",
        {"cause_right": 1},
        {"cause_weight": 1},
    ),
    _up(
        "isolation",
        "Share of isolation pairs right: the same latents come from the source entity, and the model still gives the "
        "base entity's value of another attribute.",
        {"isolation_right": 1},
        {"isolation_weight": 1},
    ),
    _up(
        "disentanglement",
        "Mean of cause and isolation. Leaving the model alone scores .5, by construction.",
        {"cause_right": 1, "isolation_right": 1},
        {"cause_weight": 1, "isolation_weight": 1},
    ),
    _share(
        "mdas_cause",
        "Cause of the dense rival: a learned subspace of the site in place of the latents.",
        {"mdas_cause_right": 1},
        {"cause_weight": 1},
    ),
    _share(
        "mdas_isolation",
        "Isolation of the dense rival.",
        {"mdas_isolation_right": 1},
        {"isolation_weight": 1},
    ),
    _share(
        "mdas_disentanglement",
        "Mean of cause and isolation of the dense rival.",
        {"mdas_cause_right": 1, "mdas_isolation_right": 1},
        {"cause_weight": 1, "isolation_weight": 1},
    ),
    Metric(
        "disentanglement_gain",
        "Disentanglement of the dictionary minus that of the dense rival, on the same pairs.",
        {"cause_right": 1, "isolation_right": 1, "mdas_cause_right": -1, "mdas_isolation_right": -1},
        {"cause_weight": 1, "isolation_weight": 1},
        PAIRS,
        direction="up",
        low=-1.0,
        high=1.0,
    ),
    _share(
        "cause_all_latents",
        "Cause when all latents are swapped: what the dictionary carries from the source at all.",
        {"all_cause_right": 1},
        {"cause_weight": 1},
    ),
    _share(
        "isolation_no_latent",
        "Isolation when no latent is swapped: what the reconstruction alone leaves of the base's answers.",
        {"none_isolation_right": 1},
        {"isolation_weight": 1},
    ),
    _share(
        "cause_full_swap",
        "Cause when the whole activation is swapped, without any dictionary.",
        {"swap_cause_right": 1},
        {"cause_weight": 1},
    ),
    _share(
        "isolation_full_swap",
        "Isolation when the whole activation is swapped, without any dictionary.",
        {"swap_isolation_right": 1},
        {"isolation_weight": 1},
    ),
)

CARD = Card(
    id="ravel",
    version=1,
    question="Do some latents carry one attribute of an entity, and no other attribute?",
    source="RAVEL (Huang et al. 2024) with SAEBench's latent masks (Karvonen et al. 2025), entities and templates held "
    "out; what changed and why is in the card.",
    metrics=METRICS,
    headline=("disentanglement", "cause", "isolation", "disentanglement_gain"),
    paired_by={PAIRS: "pair"},
    control_order=(
        "the dense rival (mdas_disentanglement) above or beside every dictionary: it sees the labels and is bound to "
        "no latents",
        "trained above permuted and random: without an error term a dictionary that cannot rebuild the activation "
        "keeps no answer, so that its isolation falls, and its latents hold no attribute, so that its cause does",
        "identity below the dense rival: an axis of the residual stream is no attribute, but it rebuilds everything "
        "and so keeps isolation near that of no swap",
    ),
    expected=(
        Above("disentanglement", "trained", "permuted"),
        Above("disentanglement", "trained", "random"),
    ),
    cost_note="Once for a model and a site: one pass that asks what the model knows, one pass of the layers up to the "
    "site, and the dense rival. For each subject: a few hundred prompts an attribute through the layers above the "
    "site, forwards and back.",
)
