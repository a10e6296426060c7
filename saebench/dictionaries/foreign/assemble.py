"""From foreign weights to a dictionary of blocks."""

from __future__ import annotations

import torch

from saebench.dictionaries.autoencoder import SparseAutoencoder
from saebench.dictionaries.blocks.composition import Composition
from saebench.dictionaries.blocks.decoder import LinearDecoder
from saebench.dictionaries.blocks.encoder import Encoder, GatedEncoder, LinearEncoder
from saebench.dictionaries.blocks.rules import GroupMax, LatentThreshold, RowTopK, Rule, ScalarThreshold
from saebench.dictionaries.blocks.sparsifier import AbsoluteScore, GateScore, SignedValue, Sparsifier
from saebench.dictionaries.foreign.weights import Weights
from saebench.errors import CheckpointError, CompositionError


def assemble(weights: Weights) -> SparseAutoencoder:
    """A trained dictionary that encodes and decodes as the foreign one does, in the dtype of its `W_dec`.

    Raises:
        CheckpointError: the numbers of the checkpoint contradict each other.
    """
    encoder: Encoder = LinearEncoder(subtract_b_dec=weights.centred)
    if weights.rule == "gated":
        encoder = GatedEncoder(subtract_b_dec=weights.centred)
    composition = Composition(
        weights.provenance.architecture,
        encoder=encoder,
        sparsifier=sparsifier_of(weights),
        decoder=LinearDecoder(ordered=bool(weights.prefixes)),
    )
    d_in, d_dict = weights.tensors["W_enc"].shape
    try:
        dictionary = SparseAutoencoder(composition, d_in, d_dict, sites=weights.sites, provenance=weights.provenance)
    except CompositionError as error:
        raise CheckpointError(error.message, file=weights.source, field=error.field) from error
    dictionary.training_config = None
    dictionary.to("cpu", weights.tensors["W_dec"].dtype)
    with torch.no_grad():
        for name, weight in dictionary.weights().items():
            value = weights.tensors[name]
            if name == "threshold":
                value = value.clamp(min=0)[: len(weight)]
            weight.copy_(value.T if name == "W_enc" else value)
    return dictionary


def sparsifier_of(weights: Weights) -> Sparsifier:
    """The blocks of a rule; thresholds that are all equal become one."""
    k = weights.k or 0
    if weights.rule == "gated":
        return Sparsifier(score=GateScore())
    if weights.rule == "abstopk":
        return Sparsifier(score=AbsoluteScore(), rule=RowTopK(k), value=SignedValue())
    if weights.rule == "threshold":
        threshold = weights.tensors["threshold"]
        one: Rule = ScalarThreshold() if bool((threshold == threshold[0]).all()) else LatentThreshold()
        return Sparsifier(rule=one)
    if weights.rule == "topk":
        return Sparsifier(rule=RowTopK(k))
    if weights.rule == "groupmax":
        return Sparsifier(rule=GroupMax(k))
    return Sparsifier()
