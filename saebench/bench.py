"""What a task may ask for: the model, stored activations, a journal and a guard around each subject."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from saebench.errors import SaebenchError, StorageError

if TYPE_CHECKING:
    from saebench.activations.artefacts import Arrays, ArtefactStore
    from saebench.activations.sets import ActivationSet
    from saebench.activations.store import ActivationStore
    from saebench.data.packing import PackedRows
    from saebench.lm.model import LanguageModel
    from saebench.progress import Progress
    from saebench.tasks.contract import Journal, Params, Request, Subject


@dataclass(frozen=True)
class Failure:
    """Why one subject has no result."""

    subject: str
    message: str
    trace: str


@dataclass
class GroupBench:
    """The bench of one group: subjects that share model, site, data and eval_seed."""

    lm: LanguageModel
    params: Params
    eval_seed: int
    rows_per_block: int
    progress: Progress
    journal: Journal
    source: Callable[[Request], ActivationSet]
    store: ActivationStore
    artefacts: ArtefactStore
    failures: dict[str, Failure] = field(default_factory=dict)
    """Subject fingerprint to what went wrong."""

    def activations(self, request: Request) -> ActivationSet:
        """Stored activations of a site of a data part, made by one pass of the model if need be."""
        return self.source(request)

    def harvest(self, rows: PackedRows, site: str) -> ActivationSet:
        """Stored activations of a site over rows of the task's own, every token, float32."""
        return self.store.sets(self.lm, rows, [site], progress=self.progress)[site]

    def last_tokens(self, rows: PackedRows, site: str) -> np.ndarray[Any, Any]:
        """Activations `[n_rows, width]` float32 of the last unmasked token of each row."""
        from saebench.activations.last_tokens import last_tokens

        def make() -> Arrays:
            return {"values": last_tokens(self.lm, rows, site, self.progress)}

        return self.artefact("last tokens", {"rows": rows.fingerprint, "site": site}, make)["values"]

    def artefact(self, name: str, identity: Mapping[str, Any], make: Callable[[], Arrays]) -> Arrays:
        """Named arrays that all subjects share, made once and kept on disk."""
        of = {
            "artefact": name,
            "lm": self.lm.fingerprint,
            "tokenizer": self.lm.tokenizer_hash,
            "dtype": str(self.lm.dtype),
        }
        return self.artefacts.get({**identity, "of": of}, make)

    @contextmanager
    def guard(self, subject: Subject) -> Iterator[None]:
        """Record any error inside as the failure of `subject` alone; a full disk and the like end the run."""
        try:
            yield
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - recorded: a stranger's dictionary may raise anything
            message = str(error) if isinstance(error, SaebenchError) else f"{type(error).__name__}: {error}"
            self.failures[subject.fingerprint] = Failure(subject.spec, message, traceback.format_exc())

    def alive(self, subjects: Sequence[Subject]) -> Iterator[Subject]:
        """Those subjects that have not failed so far."""
        return (subject for subject in subjects if subject.fingerprint not in self.failures)


@dataclass(frozen=True)
class FileJournal:
    """A journal in one file, replaced as a whole after each block."""

    path: Path

    def load(self) -> tuple[int, dict[str, np.ndarray[Any, Any]]] | None:
        """(blocks done, arrays), or None at a fresh start or when the file is not whole."""
        try:
            with np.load(BytesIO(self.path.read_bytes()), allow_pickle=False) as kept:
                arrays = {name: kept[name] for name in kept.files}
        except (ValueError, EOFError, OSError, BadZipFile):
            return None
        return int(arrays.pop("blocks_done")), arrays

    def save(self, blocks_done: int, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Replace the journal atomically.

        Raises:
            StorageError: the disk is full or the folder cannot be written.
        """
        from saebench.results.atomic import write_bytes

        buffer = BytesIO()
        np.savez(buffer, allow_pickle=False, blocks_done=np.int64(blocks_done), **arrays)
        write_bytes(self.path, buffer.getvalue())

    def discard(self) -> None:
        """The group is finished."""
        self.path.unlink(missing_ok=True)
