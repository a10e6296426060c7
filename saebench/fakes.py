"""A bench and subjects in a few lines, for tests of tasks, here and in users' own code: no plan, no files to name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import numpy as np

from saebench.activations.artefacts import ArtefactStore
from saebench.activations.store import ActivationStore
from saebench.bench import GroupBench
from saebench.progress import Silent
from saebench.tasks.contract import Params

if TYPE_CHECKING:
    from saebench.activations.sets import ActivationSet
    from saebench.baselines.concepts.method import ConceptMethod
    from saebench.dictionaries.contract import Dictionary
    from saebench.lm.model import LanguageModel
    from saebench.tasks.contract import Journal, Request, Role

SITE = "blocks.1.hook_resid_post"


class NoJournal:
    """Keeps nothing."""

    def load(self) -> None:
        """Always a fresh start."""

    def save(self, blocks_done: int, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Kept nowhere."""


@dataclass
class FakeSubject:
    """A subject around a dictionary in memory, or around the error that making it raises."""

    made: Dictionary | Exception
    fingerprint: str
    site: str = SITE
    spec: str = "fake"
    name: str = "fake"
    kind: str = "dictionary"
    role: Role | None = None

    @property
    def members(self) -> tuple[FakeSubject, ...]:
        """Itself."""
        return (self,)

    def dictionary(self) -> Dictionary:
        """The dictionary, or its error."""
        if isinstance(self.made, Exception):
            raise self.made
        return self.made

    def concept(self) -> ConceptMethod:
        """It is none.

        Raises:
            TypeError: always.
        """
        raise TypeError("a dictionary is no concept method")


@dataclass
class FakeGroup:
    """A set or pair of such subjects."""

    members: tuple[FakeSubject, ...]
    fingerprint: str
    kind: str = "set"
    site: str = SITE
    spec: str = "fake"
    name: str = "fake"
    role: Role | None = None

    def dictionary(self) -> Dictionary:
        """It has several.

        Raises:
            TypeError: always.
        """
        raise TypeError("a group has several dictionaries: ask its members")

    def concept(self) -> ConceptMethod:
        """It is none.

        Raises:
            TypeError: always.
        """
        raise TypeError("a group is no concept method")


@dataclass
class FakeConcept:
    """A subject around a concept method."""

    method: ConceptMethod
    fingerprint: str
    kind: str = "concept"
    site: str = SITE
    spec: str = "fake"
    name: str = "fake"
    role: Role | None = None

    @property
    def members(self) -> tuple[FakeConcept, ...]:
        """Itself."""
        return (self,)

    def dictionary(self) -> Dictionary:
        """It has none.

        Raises:
            TypeError: always.
        """
        raise TypeError("a concept method is no dictionary")

    def concept(self) -> ConceptMethod:
        """The method."""
        return self.method


def bench_of(
    lm: LanguageModel,
    params: Params | None = None,
    *,
    folder: Path | None = None,
    eval_seed: int = 0,
    rows_per_block: int = 4,
    journal: Journal | None = None,
    source: Callable[[Request], ActivationSet] | None = None,
) -> GroupBench:
    """A bench with stores of its own in `folder` (default: a new temporary one)."""
    root = folder or Path(mkdtemp(prefix="saebench-test-"))
    return GroupBench(
        lm,
        params or Params(),
        eval_seed,
        rows_per_block,
        Silent(),
        journal or NoJournal(),
        source or no_data,
        ActivationStore(root / "activations"),
        ArtefactStore(root / "artefacts"),
    )


def no_data(request: Request) -> ActivationSet:
    """The source of a bench whose task reads no data of a suite.

    Raises:
        LookupError: always.
    """
    raise LookupError(f"this bench was given no activations, and the task asks for {request}")
