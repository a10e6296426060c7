"""What a task is: a frozen card, the activations that it needs, item scores, and metrics made from them.

A metric is declared, not coded: a ratio of two weighted sums over item columns. Value, interval, paired
test and the check of a stranger's submission all follow from that declaration, in one place for all tasks.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from saebench.fingerprint import digest
from saebench.results.items import ItemTable as ItemTable

if TYPE_CHECKING:
    from saebench.activations.sets import ActivationSet
    from saebench.dictionaries.contract import Dictionary
    from saebench.lm.model import LanguageModel
    from saebench.progress import Progress

Direction = Literal["up", "down", "none"]
Role = Literal["oracle", "identity", "mean", "random", "permuted"]


@dataclass(frozen=True)
class Metric:
    """One number of a task, by declaration.

    value = sum_i(numerator . columns_i) / sum_i(denominator . columns_i) over the items of `table`
    (a ratio of means), or one minus that when `complement` is set. An item column called "1" counts items.
    """

    name: str
    definition: str
    numerator: Mapping[str, float]
    denominator: Mapping[str, float]
    table: str
    """Item table that it is made from: "documents" are shared by all subjects (paired), "latents" are not."""
    complement: bool = False
    direction: Direction = "none"
    """Which way is better."""
    low: float | None = None
    high: float | None = None
    """Range of possible values."""
    null: float | None = None
    """Value of a dictionary that knows nothing (predicts the mean), where there is one."""
    unit: str = ""
    group: Literal["main", "legacy"] = "main"
    """`legacy` metrics reproduce another package's published values and are never ranked."""


@dataclass(frozen=True)
class Card:
    """What a task measures. Frozen: a change of meaning is a new version."""

    id: str
    version: int
    question: str
    source: str
    metrics: tuple[Metric, ...]
    headline: tuple[str, ...]
    """Names of the metrics that a table shows first."""
    paired_by: Mapping[str, str] = field(default_factory=dict)
    """Item tables whose items are the same for every subject, with what an item is ("document")."""
    control_order: tuple[str, ...] = ()
    """Expected order of controls on the headline metric, best first, in words."""
    cost_note: str = ""
    params: tuple[str, ...] = ()
    """Parameters that a suite may set for it; they are part of a result's identity."""
    batch_sensitive: bool = False
    """Batch size changes the numbers beyond rounding, so that it belongs to identity."""

    @property
    def name(self) -> str:
        """`id@version`."""
        return f"{self.id}@{self.version}"

    def metric(self, name: str) -> Metric:
        """The metric called `name`.

        Raises:
            KeyError: there is none.
        """
        return {metric.name: metric for metric in self.metrics}[name]

    def fingerprint(self) -> str:
        """32 hex digits over the declared metric definitions; prose other than definitions is left out."""
        return digest([asdict(metric) for metric in sorted(self.metrics, key=lambda metric: metric.name)])


@dataclass(frozen=True)
class Scores:
    """What a task returns for one subject."""

    tables: Mapping[str, ItemTable]
    details: Mapping[str, Any] = field(default_factory=dict)
    """JSON values that explain the scores (histograms, exclusions). Never used for ranking."""
    cost: Mapping[str, float] = field(default_factory=dict)
    """Time and memory: never identity, never equality."""
    undefined: Mapping[str, str] = field(default_factory=dict)
    """Metrics that this subject cannot have, with the reason ("no linear encoder")."""


@dataclass(frozen=True)
class Request:
    """Activations that a task needs: one site of one data part of the suite ("eval" or "fit")."""

    site: str
    part: str = "eval"


class Subject(Protocol):
    """What is scored, before it is made: identity first, tensors on demand."""

    spec: str
    """As the user wrote it, resolved defaults included."""
    name: str
    """Short and unique in a table."""
    kind: str
    """dictionary, concept, set, pair or recipe."""
    role: Role | None
    """Set for controls."""
    site: str
    fingerprint: str

    def dictionary(self) -> Dictionary:
        """The dictionary itself, loaded or fitted on first use, on the bench's device."""


class Journal(Protocol):
    """Where a running task keeps its accumulators, so that a kill costs at most the current block."""

    def load(self) -> tuple[int, dict[str, np.ndarray[Any, Any]]] | None:
        """(blocks done, arrays), or None at a fresh start."""

    def save(self, blocks_done: int, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Replace the journal in one atomic step."""


class Bench(Protocol):
    """What a task may ask for. Everything handed out is cached and shared by all subjects of the group."""

    lm: LanguageModel
    params: Mapping[str, Any]
    eval_seed: int
    rows_per_block: int
    progress: Progress
    journal: Journal

    def activations(self, request: Request) -> ActivationSet:
        """Stored activations with tokens, masks and document ids; made by one pass of the model if need be."""

    def guard(self, subject: Subject) -> AbstractContextManager[None]:
        """Inside, an error is recorded as the failure of `subject` alone."""

    def alive(self, subjects: Sequence[Subject]) -> Iterator[Subject]:
        """Those subjects that have not failed."""


class Task(abc.ABC):
    """One protocol with a version."""

    card: Card

    @abc.abstractmethod
    def needs(self, subject: Subject) -> tuple[Request, ...]:
        """Activations that scoring `subject` reads; the plan merges them."""

    @abc.abstractmethod
    def run(self, subjects: Sequence[Subject], bench: Bench) -> dict[str, Scores]:
        """Scores by subject fingerprint, for subjects that share model, site and data.

        Walks the data block by block; every subject sees the same block. Subjects that failed are absent.
        """
