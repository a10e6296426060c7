"""The activation store: what a language model computed, on disk, named by what decides it.

::

    ROOT/KEY/manifest.json          identity, layout, checksums of what is finished; its time is the last use
    ROOT/KEY/00000.bin ...          shards: raw little-endian values [tokens, width]
    ROOT/KEY/tokens.npy ...         rows.json: token ids, mask, documents and what the rows are
    ROOT/KEY/statistics/            mean and covariance, once asked for
    ROOT/KEY/leases/                who reads it
    ROOT/.locks/                    one lock a key, and one for the accounts

A process that holds the lock of a key makes what is missing of its entry; whoever waits for the lock finds it made.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import torch
from filelock import FileLock, Timeout

from saebench.activations import statistics
from saebench.activations.entries import StoredEntry, describe
from saebench.activations.harvest import Job, disk_errors, disk_full, harvest
from saebench.activations.leases import Lease, in_use
from saebench.activations.manifest import FILE, Manifest, load_manifest, missing_shards, new_manifest, shard_file
from saebench.activations.row_files import read_rows, rows_are_sound, write_rows
from saebench.activations.sets import ActivationSet
from saebench.activations.shards import STORED, map_shard
from saebench.assets.cache import cache_folder, size_of
from saebench.data.packing import PackedRows
from saebench.errors import DataError, StorageError, UnknownName, UsageError
from saebench.progress import Progress, Silent
from saebench.registry import near_misses
from saebench.results.atomic import remove_parts

if TYPE_CHECKING:
    from saebench.lm.model import LanguageModel

MAX_BYTES = 20_000_000_000
"""The bound where the disk has room for it three times."""

BOUND = "SAEBENCH_STORE_BYTES"
"""Environment variable that sets the bound, in bytes."""

LOCKS = ".locks"
REMOVED = ".removed-"


class ActivationStore:
    """Activations by key, made once, bounded in size.

    Args:
        root: the folder; default ``activations`` in the cache.
        max_bytes: the bound on its size; default ``SAEBENCH_STORE_BYTES``, else 20 GB or a third of what the disk
            has for it, whichever is less.

    Raises:
        StorageError: the folder cannot be made.
        UsageError: ``SAEBENCH_STORE_BYTES`` is not a number of bytes.
    """

    def __init__(self, root: Path | None = None, max_bytes: int | None = None) -> None:
        self.root = (root or cache_folder() / "activations").absolute()
        with disk_errors(self.root, 0):
            (self.root / LOCKS).mkdir(parents=True, exist_ok=True)
        self.max_bytes = default_bound(self.root) if max_bytes is None else max_bytes

    def sets(
        self,
        lm: LanguageModel,
        rows: PackedRows,
        sites: Sequence[str],
        *,
        store_dtype: torch.dtype = torch.float32,
        batch_rows: int = 16,
        progress: Progress | None = None,
    ) -> dict[str, ActivationSet]:
        """Activations of each site over all rows; one pass of the model makes whatever is missing or damaged.

        Args:
            lm: the language model.
            rows: what it reads.
            sites: names of sites; those inside a block need their entry site only for resuming, so that the caller
                asks for both.
            store_dtype: float32 or bfloat16.
            batch_rows: rows in a forward pass of new entries.
            progress: told about the pass.

        Raises:
            UnknownName: a wrong site.
            StorageError: the disk or the bound has no room for what is missing. What is finished is kept.
            DataError: there are no rows, or an unmasked activation is not finite.
            UsageError: the store does not keep `store_dtype`.
        """
        progress = progress or Silent()
        if store_dtype not in STORED:
            raise UsageError(f"the store keeps float32 or bfloat16, not {store_dtype}")
        if rows.n_rows == 0:
            raise DataError("there are no rows to read", field=rows.name, remedy="use more text")
        wanted = {}
        for site in sites:
            manifest = new_manifest(lm, rows, site, store_dtype, batch_rows)
            wanted[manifest.key.digest()] = manifest
        with disk_errors(self.root, sum(manifest.bytes for manifest in wanted.values())), ExitStack() as locks:
            found: dict[str, ActivationSet] = {}
            jobs = []
            for key, fresh in sorted(wanted.items()):
                lock = locks.enter_context(self._locked(key, progress))
                job = self._look(key, fresh, rows)
                if job.missing:
                    jobs.append(job)
                else:
                    found[job.site] = self._use(job, rows)
                    lock.release()
            if jobs:
                self._make_room(jobs, rows)
                harvest(lm, rows, jobs, progress)
                found |= {job.site: self._use(job, rows) for job in jobs}
        return {site: found[site] for site in sites}

    def open(self, key: str) -> ActivationSet:
        """A complete entry by its key, with neither model nor text at hand.

        Raises:
            UnknownName: no such entry, or it is not complete.
            StorageError: a file of it is damaged.
        """
        folder = self.root / key
        with disk_errors(self.root, 0), self._locked(key, Silent()):
            manifest = load_manifest(folder)
            if manifest is None or not manifest.complete:
                known = [entry.key for entry in self.entries() if entry.complete]
                raise UnknownName("activation entry", key, near_misses(key, dict.fromkeys(known)), known)
            if missing_shards(folder, manifest) or not rows_are_sound(folder, manifest.rows_checksum):
                raise StorageError(
                    "a file is damaged", file=folder, remedy="ask for these activations with the model: it is remade"
                )
            return self._use(Job(folder, manifest, frozenset()), read_rows(folder))

    def entries(self) -> list[StoredEntry]:
        """Everything in the store, least recently used first."""
        found = [describe(path) for path in self._folders()]
        return sorted((entry for entry in found if entry), key=lambda entry: (entry.used, entry.key))

    def empty(self) -> int:
        """Remove every entry that is not in use. Returns the bytes that this freed."""
        return sum(entry.bytes for entry in self.entries() if self._remove(entry))

    def _look(self, key: str, fresh: Manifest, rows: PackedRows) -> Job:
        """What is missing of an entry. Damaged shards are struck off; a damaged entry starts anew."""
        folder = self.root / key
        manifest = load_manifest(folder)
        if manifest is None or not manifest.describes(fresh):
            shutil.rmtree(folder, ignore_errors=True)
            return Job(folder, fresh, frozenset(range(fresh.shards)))
        remove_parts(folder)
        missing = missing_shards(folder, manifest)
        if missing:
            # Moments of other bits: a shard that another machine makes again may differ in the last ones.
            shutil.rmtree(folder / statistics.FOLDER, ignore_errors=True)
        for shard in missing:
            manifest.checksums.pop(shard, None)
        return Job(folder, manifest, missing)

    def _use(self, job: Job, rows: PackedRows) -> ActivationSet:
        """The set of an entry that is whole: leased, and the most recently used."""
        folder, manifest = job.folder, job.manifest
        if not rows_are_sound(folder, manifest.rows_checksum):
            manifest.rows_checksum = write_rows(folder, rows)
            manifest.save(folder)
        lease = Lease(folder)
        os.utime(folder / FILE)
        pieces = [
            map_shard(
                shard_file(folder, shard),
                manifest.dtype,
                len(manifest.shard_rows(shard)) * manifest.context,
                manifest.width,
            )
            for shard in range(manifest.shards)
        ]
        return ActivationSet(
            site=job.site,
            rows=rows,
            key=folder.name,
            pieces=pieces,
            folder=folder / statistics.FOLDER,
            lease=lease,
        )

    def _make_room(self, jobs: Sequence[Job], rows: PackedRows) -> None:
        """Evict until the missing shards of `jobs` fit the bound and the disk; then enter them in the accounts."""
        new = sum(job.manifest.bytes for job in jobs if not job.folder.exists())
        missing = sum(job.bytes for job in jobs)
        own = {job.folder.name for job in jobs}
        with FileLock(self.root / LOCKS / "accounts.lock"):
            entries = self.entries()
            held = sum(entry.bytes for entry in entries)
            idle = [entry for entry in entries if not entry.in_use and entry.key not in own]
            # A request that fits no empty store evicts nothing.
            self._check_room(held, new, missing, freeable=sum(entry.bytes for entry in idle))
            for entry in idle:
                if held + new <= self.max_bytes and missing <= shutil.disk_usage(self.root).free:
                    break
                if self._remove(entry):
                    held -= entry.bytes
            self._check_room(held, new, missing, freeable=0)
            for job in jobs:
                job.folder.mkdir(exist_ok=True)
                job.manifest.rows_checksum = write_rows(job.folder, rows)
                job.manifest.save(job.folder)

    def _check_room(self, held: int, new: int, missing: int, freeable: int) -> None:
        """Refuse `new` bytes beside the `held` ones beyond the bound, and `missing` bytes beyond the disk."""
        kept = held - freeable
        if kept + new > self.max_bytes:
            raise StorageError(
                f"{new:,} bytes of new activations do not fit: the store holds {kept:,} bytes that are in use, "
                f"and may hold {self.max_bytes:,}",
                file=self.root,
                remedy=f"use fewer tokens or store bfloat16, or set {BOUND} to a larger number of bytes",
            )
        if missing > shutil.disk_usage(self.root).free + freeable:
            raise disk_full(self.root, missing)

    def _remove(self, entry: StoredEntry) -> bool:
        """Remove an entry unless it is in use. Returns whether it is gone."""
        try:
            with FileLock(self.root / LOCKS / f"{entry.key}.lock", blocking=False):
                if in_use(entry.path):
                    return False
                doomed = entry.path.with_name(f"{REMOVED}{uuid4().hex}")
                entry.path.rename(doomed)
        except Timeout:
            return False
        except FileNotFoundError:
            return True
        shutil.rmtree(doomed, ignore_errors=True)
        return True

    def _folders(self) -> Iterator[Path]:
        for path in self.root.iterdir():
            if path.name.startswith(REMOVED):
                shutil.rmtree(path, ignore_errors=True)
            elif path.is_dir() and path.name != LOCKS:
                yield path

    @contextmanager
    def _locked(self, key: str, progress: Progress) -> Iterator[FileLock]:
        lock = FileLock(self.root / LOCKS / f"{key}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            progress.note(f"waiting for another process that makes the activations {key}")
            lock.acquire()
        try:
            yield lock
        finally:
            lock.release()


def default_bound(root: Path) -> int:
    """The bound where none is given.

    Raises:
        UsageError: ``SAEBENCH_STORE_BYTES`` is not a number of bytes.
    """
    chosen = os.environ.get(BOUND)
    if chosen is None:
        return min(MAX_BYTES, (shutil.disk_usage(root).free + size_of(root)) // 3)
    if not chosen.isdecimal():
        raise UsageError(f"{BOUND} must be a number of bytes, not '{chosen}'")
    return int(chosen)
