"""What a task is: a frozen card, the activations that it needs, item scores, and metrics made from them.

A metric is declared, not coded: a ratio of two weighted sums over item columns. Value, interval, paired
test and the check of a stranger's submission all follow from that declaration, in one place for all tasks.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict

from saebench.fingerprint import digest
from saebench.results.items import ItemTable as ItemTable
from saebench.results.schema import DataRecord

if TYPE_CHECKING:
    from saebench.activations.artefacts import Arrays
    from saebench.activations.sets import ActivationSet
    from saebench.baselines.concepts.method import ConceptMethod
    from saebench.data.packing import PackedRows
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
class Above:
    """An expectation on real models: on `metric`, every subject of `better` stands above every one of `worse`.

    Both name a control's role, or "trained" for every subject that is no control and no baseline.
    """

    metric: str
    better: str
    worse: str


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
    expected: tuple[Above, ...] = ()
    """The same where it can be checked; an audit does."""
    cost_note: str = ""
    unfit: str = ""
    """Why its numbers must not rank anything, where an audit found so: no ranks and no tie groups are then made."""
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


class Params(BaseModel):
    """What a suite may set for a task. Every field has a default; all of them, set or not, are identity."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


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

    @property
    def members(self) -> Sequence[Subject]:
        """The dictionaries of a set (in any order) or pair (in this order); of a dictionary, itself alone."""

    def dictionary(self) -> Dictionary:
        """The dictionary itself, loaded or fitted on first use, on the bench's device; for kind dictionary alone.

        Raises:
            TypeError: a set or pair has several: ask its members; a concept method has none.
        """

    def concept(self) -> ConceptMethod:
        """The concept method; for kind concept alone.

        Raises:
            TypeError: a dictionary becomes one by a choice of latents, which is the task's.
        """


class Journal(Protocol):
    """Where a running task keeps its accumulators, so that a kill costs at most the current block."""

    def load(self) -> tuple[int, dict[str, np.ndarray[Any, Any]]] | None:
        """(blocks done, arrays), or None at a fresh start."""

    def save(self, blocks_done: int, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Replace the journal in one atomic step."""


class Bench(Protocol):
    """What a task may ask for. Everything handed out is cached and shared by all subjects of the group."""

    lm: LanguageModel
    params: Params
    """The task's own, resolved: an instance of its `parameters`."""
    eval_seed: int
    rows_per_block: int
    progress: Progress
    journal: Journal

    def activations(self, request: Request) -> ActivationSet:
        """Stored activations with tokens, masks and document ids; made by one pass of the model if need be."""

    def harvest(self, rows: PackedRows, site: str) -> ActivationSet:
        """Stored activations of a site over rows of the task's own: every token, made once and kept."""

    def last_tokens(self, rows: PackedRows, site: str) -> np.ndarray[Any, Any]:
        """Activations `[n_rows, width]` float32 of the last unmasked token of each row, made once and kept."""

    def artefact(self, name: str, identity: Mapping[str, Any], make: Callable[[], Arrays]) -> Arrays:
        """Named arrays that all subjects share (probes, answers of the model), made once and kept on disk.

        Args:
            name: what it is, "first-letter probes".
            identity: JSON values that decide it beside the model, its tokenizer and its dtype, which are added: site,
                data, seed, parameters that matter. Raise a "version" in it when `make` means something else.
            make: computes it; numeric, boolean or text arrays only.
        """

    def guard(self, subject: Subject) -> AbstractContextManager[None]:
        """Inside, an error is recorded as the failure of `subject` alone."""

    def alive(self, subjects: Sequence[Subject]) -> Iterator[Subject]:
        """Those subjects that have not failed."""


class Task(abc.ABC):
    """One protocol with a version."""

    card: Card
    takes: tuple[Literal["dictionary", "concept", "set", "pair", "recipe"], ...] = ("dictionary",)
    """The kinds of subjects that it scores; the plan hands it no other."""
    parameters: type[Params] = Params
    """The model of what a suite may set."""

    def data(self, params: Params, lm: LanguageModel, eval_seed: int) -> tuple[DataRecord, ...]:
        """Data of the task's own, which then decide identity; none: the suite's evaluation part is read.

        Called by the plan, before anything is computed: reads texts, never the model.

        Raises:
            InputError: the data cannot be read.
        """
        return ()

    @abc.abstractmethod
    def needs(self, subject: Subject) -> tuple[Request, ...]:
        """Activations that scoring `subject` reads; their parts are identity where a task has no data of its own."""

    @abc.abstractmethod
    def run(self, subjects: Sequence[Subject], bench: Bench) -> dict[str, Scores]:
        """Scores by subject fingerprint, for subjects that share model, site and data.

        Walks the data block by block; every subject sees the same block. Subjects that failed are absent.
        """
