"""Going on with a finished dictionary: its own blocks and weights, a fresh optimiser, and new latents if wanted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from saebench.dictionaries.autoencoder import SparseAutoencoder
from saebench.dictionaries.blocks.composition import Composition
from saebench.dictionaries.blocks.controllers import Reorder, ThresholdAverage, WarmUp
from saebench.dictionaries.blocks.regularisers import Lp
from saebench.dictionaries.blocks.rules import GroupMax
from saebench.dictionaries.contract import Dictionary
from saebench.errors import UsageError
from saebench.progress import Progress, Silent
from saebench.training.member_run import MemberRun
from saebench.training.panel import record_of, train_runs
from saebench.training.settings import Member, TrainSettings
from saebench.training.stream import Stream


def continue_training(
    dictionary: Dictionary,
    batches: Iterable[Tensor],
    settings: TrainSettings,
    *,
    added: int = 0,
    seed: int = 0,
    progress: Progress | None = None,
) -> SparseAutoencoder:
    """Train a finished dictionary on, as `begin_again` begins it; the one that is given stays as it is.

    The rate is the architecture's own at the width before any latent was added. `settings.warm_up` and
    `settings.decay` say how it rises and falls; 0 and 0 keep it constant.

    Args:
        dictionary: what `train` made, from memory or from disk.
        batches: activations `[n, d]` of its site, which must last `settings.steps` batches.
        settings: of this training alone; its steps are counted from 0.
        added: new latents behind the old ones.
        seed: of the new latents, and of what the architecture draws.

    Returns:
        The dictionary, reading raw activations. Its provenance is that of `dictionary`, which becomes its parent.

    Raises:
        UsageError: this dictionary cannot be trained on (see `composition_of`).
        DataError: the activations ended early, have the wrong shape or hold NaN.
        SubjectFailed: the loss was not finite.
    """
    stream = Stream(batches)
    first = stream.head(min(settings.first_batches, settings.steps))
    run = begin_again(dictionary, first, settings, added=added, seed=seed)
    trained = train_runs([run], stream, settings, progress or Silent())
    return cast(SparseAutoencoder, trained[run.member.name])


def begin_again(
    dictionary: Dictionary, first: Sequence[Tensor], settings: TrainSettings, *, added: int = 0, seed: int = 0
) -> MemberRun:
    """A training run that starts at the weights of a finished dictionary, before its first step.

    What was folded away is fitted anew: the input is scaled by the first batches, as in every training, and biases and
    thresholds with it. New latents start as the composition's init has it, beside old ones that keep every weight. The
    optimiser has no memory, no latent counts as silent yet, and nothing is written to disk.

    Args:
        first: the first batches `[n, d]` of the activations.

    Raises:
        UsageError: see `composition_of`.
    """
    composition = composition_of(dictionary, added)
    assert isinstance(dictionary, SparseAutoencoder)
    member = Member(dictionary.composition.architecture, composition, dictionary.d_dict + added, seed)
    provenance = replace(dictionary.provenance, parents=(*dictionary.provenance.parents, dictionary.fingerprint()))
    record = {
        **record_of(member, settings, dictionary.sites_in, provenance),
        "d_in": dictionary.d_in,
        "batch_size": len(first[0]),
        "added": added,
    }
    run = MemberRun(member, settings, record, sites=dictionary.sites_in, provenance=provenance, folder=None)
    run.tokens = provenance.tokens or 0
    run.begin(first)
    scale = run.model.scale.cpu().double()
    folded = dictionary.fold().to("cpu")
    with torch.no_grad():
        for name, own in folded.weights().items():
            start = own.double() * scale if name in folded.in_input_units else own
            run.model.weights()[name][: len(own)] = start.to(run.model.W_dec)
    return run


def composition_of(dictionary: Dictionary, added: int = 0) -> Composition:
    """The blocks that a finished dictionary is trained on with.

    Schedules are over: every coefficient (and the exponent of an Lp term) stays where they left it, latents are sorted
    no more. Only controllers that keep a threshold go on. Prefixes of a nested objective end where they ended, and the
    last holds the new latents.

    Args:
        added: new latents behind the old ones.

    Raises:
        UsageError: it is no trained dictionary, was not trained here, was rewritten since, does not say where its
            coefficients ended, or its rule divides latents into groups by their places.
    """
    if not isinstance(dictionary, SparseAutoencoder):
        raise UsageError(f"{type(dictionary).__name__} is not trained by gradient steps, so none can follow")
    if dictionary.training_config is None:
        raise UsageError("its checkpoint does not say how it was trained (a foreign format)")
    blocks = Composition.from_config(dictionary.training_config)
    if _computes(blocks) != _computes(dictionary.composition):
        raise UsageError("it was rewritten after its training: its blocks are no longer those that were trained")
    if added and isinstance(blocks.sparsifier.rule, GroupMax):
        raise UsageError("its rule groups latents by their places, which new latents would move")
    width = dictionary.d_dict
    ended = dictionary.provenance.extra.get("training", {}).get("coefficients")
    if ended is None:
        if any(not isinstance(item, WarmUp | ThresholdAverage | Reorder) for item in blocks.controllers):
            raise UsageError("its coefficients were steered in training, and it does not say where they ended")
        ended = blocks.coefficients()
    regularisers = tuple(replace(item, coefficient=ended[item.name]) for item in blocks.regularisers)  # type: ignore[type-var]
    return replace(
        blocks,
        objective=blocks.objective.widened(width, added),
        regularisers=tuple(
            replace(item, p=ended.get("p", item.p)) if isinstance(item, Lp) else item for item in regularisers
        ),
        controllers=tuple(item for item in blocks.controllers if item.sets_threshold),
        optimiser=replace(blocks.optimiser, lr=blocks.optimiser.rate(width), lr_width=None),
    )


def _computes(blocks: Composition) -> dict[str, object]:
    """What a dictionary of these blocks computes, but for the scale of the input."""
    return {name: value for name, value in blocks.inference_config().items() if name != "preprocess"}
