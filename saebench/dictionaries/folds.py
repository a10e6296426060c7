"""Exact rewritings of a trained dictionary: other weights, the same reconstruction.

All leave the dictionary that they are given as it is.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from saebench.dictionaries.autoencoder import SparseAutoencoder
from saebench.dictionaries.blocks.encoder import LinearEncoder
from saebench.dictionaries.blocks.rules import LatentThreshold
from saebench.dictionaries.blocks.sparsifier import PreactivationScore, Sparsifier
from saebench.errors import CompositionError


def as_jumprelu(dictionary: SparseAutoencoder) -> SparseAutoencoder:
    """The same codes and reconstruction as `f = ReLU(z) 1[z > theta]`, with a threshold for each latent.

    ReLU has theta = 0, a scalar threshold is the same for all, and a gated dictionary has
    `W_enc' = e^r W_enc`, `b_enc' = b_mag`, `theta = b_mag - e^r b_gate`.

    Raises:
        CompositionError: the rule compares latents or values are signed, so that no threshold does the same.
    """
    blocks = dictionary.composition.after_training()
    if "jumprelu" not in blocks.traits().foldable_to:
        raise CompositionError(
            f"a rule '{blocks.sparsifier.rule.kind}' on '{blocks.sparsifier.score.kind}' has no thresholds that do "
            "the same",
            field="sparsifier",
        )
    ours = {name: weight.detach() for name, weight in dictionary.weights().items()}
    d_dict = dictionary.d_dict
    theirs = {name: ours[name] for name in ("W_enc", "W_dec", "b_dec")}
    if blocks.encoder.has_gate:
        gain = ours["r_mag"].exp()
        theirs["W_enc"] = gain.unsqueeze(1) * ours["W_enc"]
        theirs["b_enc"] = ours["b_mag"]
        theirs["threshold"] = ours["b_mag"] - gain * ours["b_gate"]
    else:
        theirs["b_enc"] = ours.get("b_enc", torch.zeros_like(ours["W_enc"][:, 0]))
        theirs["threshold"] = ours.get("threshold", torch.zeros_like(theirs["b_enc"])).expand(d_dict)
    target = replace(
        blocks,
        encoder=LinearEncoder(subtract_b_dec=blocks.encoder.subtract_b_dec),
        sparsifier=Sparsifier(rule=LatentThreshold()),
    )
    return dictionary.rewritten(target, theirs)


def fold_decoder_norms(dictionary: SparseAutoencoder) -> SparseAutoencoder:
    """The same reconstruction with unit atoms: codes take over the norms `n_i = ||d_i||`.

    Rules that look at one latent alone choose as before. A budget on the score `z` would choose others, because latents
    are compared; on the score `z_norm` it would not, and that score becomes `z`.

    Raises:
        CompositionError: selection would change, or an atom is zero.
    """
    blocks = dictionary.composition.after_training()
    score, rule = blocks.sparsifier.score, blocks.sparsifier.rule
    if score.kind in ("z", "gate"):
        if not rule.per_latent:
            raise CompositionError(
                f"a rule '{rule.kind}' on '{score.kind}' compares latents: with other norms it would choose others",
                field="sparsifier.rule",
            )
        if rule.threshold is not None:
            dictionary = as_jumprelu(dictionary)
            blocks = dictionary.composition
    elif score.kind == "z_norm":
        blocks = replace(blocks, sparsifier=replace(blocks.sparsifier, score=PreactivationScore()))
    else:
        raise CompositionError(f"no rule for the score '{score.kind}'", field="sparsifier.score")
    weights = {name: weight.detach() for name, weight in dictionary.weights().items()}
    norms = weights["W_dec"].norm(dim=1)
    if not norms.all():
        raise CompositionError("an atom is zero: it has no direction", field="W_dec")
    weights["W_dec"] = weights["W_dec"] / norms.unsqueeze(1)
    if blocks.encoder.has_gate:
        weights["r_mag"] = weights["r_mag"] + norms.log()
        weights["b_mag"] = weights["b_mag"] * norms
    else:
        weights["W_enc"] = weights["W_enc"] * norms.unsqueeze(1)
        if "b_enc" in weights:
            weights["b_enc"] = weights["b_enc"] * norms
        if "threshold" in weights and score.kind != "z_norm":
            weights["threshold"] = weights["threshold"] * norms
    return dictionary.rewritten(blocks, weights)


def fold_thresholds(dictionary: SparseAutoencoder) -> SparseAutoencoder:
    """The same reconstruction with every threshold at 1: codes are counted in thresholds, atoms carry their size.

    With theta_i > 0: `W_enc' = W_enc / theta`, `b_enc' = b_enc / theta`, `W_dec' = theta W_dec` (Balagansky et al.
    2024, "Mechanistic permutability", section 3).

    Raises:
        CompositionError: no thresholds do the same (see `as_jumprelu`), or one of them is not positive.
    """
    folded = as_jumprelu(dictionary)
    weights = {name: weight.detach() for name, weight in folded.weights().items()}
    theta = weights["threshold"]
    if not bool((theta > 0).all()):
        raise CompositionError(
            f"{int((theta <= 0).sum())} of {len(theta)} thresholds are not positive: nothing can be counted in them",
            field="threshold",
        )
    weights["W_enc"] = weights["W_enc"] / theta.unsqueeze(1)
    weights["b_enc"] = weights["b_enc"] / theta
    weights["W_dec"] = weights["W_dec"] * theta.unsqueeze(1)
    weights["threshold"] = torch.ones_like(theta)
    return dictionary.rewritten(folded.composition, weights)
