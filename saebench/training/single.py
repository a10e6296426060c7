"""Training of one dictionary, as a Python user calls it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from saebench.dictionaries import ARCHITECTURES
from saebench.dictionaries.blocks.composition import Composition
from saebench.dictionaries.contract import Dictionary, Provenance
from saebench.errors import UsageError
from saebench.progress import Progress
from saebench.training.panel import train_panel
from saebench.training.settings import Member, TrainSettings
from saebench.training.stream import TensorBatches


def train(
    architecture: str | Composition,
    activations: Tensor | Iterable[Tensor],
    *,
    d_dict: int,
    settings: TrainSettings | None = None,
    steps: int | None = None,
    batch_size: int = 2048,
    train_seed: int = 0,
    data_seed: int = 0,
    sites: tuple[str, ...] = (),
    out: Path | None = None,
    resume: bool = False,
    provenance: Provenance | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Dictionary:
    """Train one dictionary.

    ::

        dictionary = saebench.train("topk", activations, d_dict=4096, k=32, steps=2000)

    Args:
        architecture: a name of the catalogue, with its `options`, or a composition of blocks.
        activations: a tensor `[n, d]`, of which shuffled batches are drawn, epoch after epoch, or an iterable of
            batches `[n, d]` that lasts as many steps as are asked for.
        d_dict: number of latents.
        settings: everything about the run. Without it, `steps` with the defaults of `TrainSettings`.
        steps: batches to train on, where `settings` is not given.
        batch_size: rows of a batch, where `activations` is a tensor.
        train_seed: seed of the weights and of what the architecture draws.
        data_seed: seed of the order of the batches, where `activations` is a tensor.
        out: folder of the dictionary: its parent is the output folder of `train_panel`. None: nothing is written.
        options: settings of the architecture (`k`, `l0`, ...).

    Raises:
        UnknownName: no such architecture.
        UsageError: not exactly one of `settings` and `steps`, options for a composition, or an option that the
            architecture does not have.
        SaebenchError: whatever `train_panel` raises.
    """
    if (settings is None) == (steps is None):
        raise UsageError("give either `settings` or `steps`")
    if isinstance(architecture, Composition) and options:
        raise UsageError(f"a composition takes no options ({', '.join(options)})")
    composition = _compose(architecture, options) if isinstance(architecture, str) else architecture
    batches = TensorBatches(activations, batch_size, seed=data_seed) if isinstance(activations, Tensor) else activations
    member = Member(out.name if out is not None else composition.architecture, composition, d_dict, train_seed)
    trained = train_panel(
        [member],
        batches,
        settings or TrainSettings(steps=steps or 0),
        sites=sites,
        out=out.parent if out is not None else None,
        resume=resume,
        provenance=provenance,
        progress=progress,
    )
    return trained[member.name]


def _compose(architecture: str, options: Mapping[str, Any]) -> Composition:
    try:
        return ARCHITECTURES.get(architecture)(**options)
    except TypeError as error:
        raise UsageError(
            f"architecture '{architecture}' does not take {', '.join(options)}: see 'saebench show {architecture}'"
        ) from error
