"""Train dictionaries on activations of a language model: text to checkpoint folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from saebench.data.packing import DataSpec, load_rows
from saebench.dictionaries import ARCHITECTURES
from saebench.dictionaries.contract import Dictionary, Provenance
from saebench.errors import UsageError
from saebench.progress import Progress, Silent
from saebench.run.scene import HARVEST_ROWS
from saebench.training import Member, TrainSettings, train_panel

if TYPE_CHECKING:
    from saebench.activations.store import ActivationStore
    from saebench.lm.model import LanguageModel


@dataclass(frozen=True)
class TrainingJob:
    """A panel to train on one site of one model."""

    members: tuple[Member, ...]
    site: str
    data: DataSpec
    settings: TrainSettings
    batch_size: int = 2048
    store_dtype: torch.dtype = torch.float32
    data_seed: int = 0
    """Order of the activations; the same for all members, so that they differ in their own seed alone."""


def train_on(
    lm: LanguageModel,
    store: ActivationStore,
    job: TrainingJob,
    out: Path,
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> dict[str, Dictionary]:
    """Harvest activations (or find them stored) and train the panel into folders under `out`.

    Raises:
        DataError: the data holds fewer tokens than one batch.
        UsageError: `out` holds a run and `resume` is not set.
    """
    lm.site(job.site)
    rows = load_rows(job.data, lm.tokenizer, tokenizer_hash=lm.tokenizer_hash, seed=0)
    progress = progress or Silent()
    made = store.sets(lm, rows, [job.site], store_dtype=job.store_dtype, batch_rows=HARVEST_ROWS, progress=progress)[
        job.site
    ]
    batches = made.batches(job.batch_size, seed=job.data_seed, device="cpu", dtype=torch.float32)
    provenance = Provenance(
        lm=lm.name,
        lm_weights_hash=lm.weights_hash,
        data=f"{rows.name} {rows.fingerprint}",
        documents=tuple(rows.document_hashes),
    )
    return train_panel(
        job.members,
        batches,
        job.settings,
        sites=(job.site,),
        out=out,
        resume=resume,
        provenance=provenance,
        progress=progress,
    )


def members_of(
    architecture: str, *, widths: Sequence[int], sparsities: Sequence[tuple[str, float]], seeds: Sequence[int]
) -> tuple[Member, ...]:
    """A sweep: one member for each width, sparsity and seed.

    Args:
        architecture: a name of `ARCHITECTURES`.
        widths: numbers of latents.
        sparsities: (setting, value), as ("k", 32) or ("l0", 40.0); empty for the architecture's default.
        seeds: training seeds.

    Raises:
        UnknownName: no such architecture.
        UsageError: the architecture has no such setting.
    """
    build = ARCHITECTURES.get(architecture)
    members = []
    for width in widths:
        for name, value in sparsities or [("", 0.0)]:
            settings: dict[str, Any] = {name: int(value) if name == "k" else value} if name else {}
            label = f"-{name}{value:g}" if name else ""
            try:
                composition = build(**settings)
            except TypeError as error:
                raise UsageError(
                    f"architecture '{architecture}' takes no {', '.join(settings)}: see 'saebench show {architecture}'"
                ) from error
            members += [Member(f"{architecture}-{width}{label}-s{seed}", composition, width, seed) for seed in seeds]
    return tuple(members)
