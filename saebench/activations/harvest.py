"""One pass of a language model that makes all shards that are missing, for several sites at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from saebench.activations.manifest import Manifest, shard_file
from saebench.activations.shards import ShardWriter
from saebench.assets.cache import storage_errors
from saebench.data.packing import PackedRows
from saebench.errors import DataError, StorageError
from saebench.progress import Bar, Progress
from saebench.results.atomic import NO_ROOM

if TYPE_CHECKING:
    from saebench.lm.model import LanguageModel


@dataclass(frozen=True)
class Job:
    """The missing shards of one entry, whose lock the caller holds."""

    folder: Path
    manifest: Manifest
    missing: frozenset[int]

    @property
    def site(self) -> str:
        """The site of the entry."""
        return self.manifest.key.site

    @property
    def bytes(self) -> int:
        """Size of what is missing."""
        return sum(self.manifest.shard_bytes(shard) for shard in self.missing)


def harvest(lm: LanguageModel, rows: PackedRows, jobs: Sequence[Job], progress: Progress) -> None:
    """Make every missing shard of `jobs`. What is finished when this fails or is killed stays.

    Entries with the same layout share the pass. Batches are cut at the layout's borders, so that a shard that is made
    alone has the bits that it has in a whole pass.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
        DataError: an unmasked activation is not finite.
    """
    passes: dict[tuple[int, int], list[Job]] = defaultdict(list)
    for job in jobs:
        passes[job.manifest.batch_rows, job.manifest.rows_per_shard].append(job)
    steps = [
        (shard, [job for job in group if shard in job.missing])
        for group in passes.values()
        for shard in sorted(frozenset[int]().union(*(job.missing for job in group)))
    ]
    tokens = sum(len(members[0].manifest.shard_rows(shard)) * rows.context for shard, members in steps)
    with progress.bar(f"activations of {lm.name}", tokens, "tok") as bar:
        left = sum(job.bytes for job in jobs)
        for shard, members in steps:
            with disk_errors(members[0].folder.parent, left):
                make_shard(lm, rows, shard, members, bar)
            left -= sum(job.manifest.shard_bytes(shard) for job in members)


def make_shard(lm: LanguageModel, rows: PackedRows, shard: int, jobs: Sequence[Job], bar: Bar) -> None:
    """Write shard number `shard` of each job's entry, and list it in the manifest."""
    layout = jobs[0].manifest
    sites = [job.site for job in jobs]
    bounds = layout.shard_rows(shard)
    with ExitStack() as files:
        writers = [files.enter_context(ShardWriter(shard_file(job.folder, shard), job.manifest.dtype)) for job in jobs]
        for start in range(bounds.start, bounds.stop, layout.batch_rows):
            stop = min(start + layout.batch_rows, bounds.stop)
            tokens = torch.from_numpy(rows.tokens[start:stop].astype(np.int64)).to(lm.device)
            with torch.inference_mode():
                captured = lm.capture(tokens, sites)
            mask = torch.from_numpy(np.array(rows.mask[start:stop]))
            for site, writer in zip(sites, writers, strict=True):
                values = captured[site].cpu()
                check_finite(values[mask], site, lm.name)
                writer.append(values)
            bar.advance(tokens.numel())
        for job, writer in zip(jobs, writers, strict=True):
            job.manifest.checksums[shard] = writer.commit()
            job.manifest.save(job.folder)


def check_finite(values: Tensor, site: str, lm: str) -> None:
    """Refuse activations with NaN or an infinity.

    Raises:
        DataError: naming site and model.
    """
    if not torch.isfinite(values).all():
        raise DataError(
            f"the activations of {lm} hold NaN or an infinity", field=site, remedy="compute in float32 or bfloat16"
        )


@contextmanager
def disk_errors(place: Path, needed: int) -> Iterator[None]:
    """Inside, a full disk becomes a `StorageError` that says how much was still to be written."""
    with storage_errors(place):
        try:
            yield
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            raise disk_full(place, needed) from error


def disk_full(place: Path, needed: int) -> StorageError:
    """The error of a disk on which `needed` bytes have no room."""
    return StorageError(
        f"the disk is full: {needed:,} bytes of activations are still to be written",
        file=place,
        remedy="free some space or set SAEBENCH_CACHE to a folder on a larger disk, and run again: "
        "what is finished is kept",
    )
