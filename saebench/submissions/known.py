"""What this installation knows of tasks and suites: a bundle is held against that, never against its own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from saebench.results.metrics import CardLike


class TaskEntryLike(Protocol):
    """One task of a suite, with the parameters that the suite sets."""

    @property
    def task(self) -> str: ...
    @property
    def params(self) -> Mapping[str, Any]: ...


class SuiteLike(Protocol):
    """What is read of a suite."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def store_dtype(self) -> str: ...
    @property
    def tasks(self) -> Sequence[TaskEntryLike]: ...
    @property
    def eval_seeds(self) -> Sequence[int]: ...
    @property
    def controls(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class KnownTask:
    """A task as it is installed here."""

    card: CardLike
    takes: tuple[str, ...]
    """Kinds of subjects."""
    parameters: type[BaseModel]
    ranges: Mapping[str, tuple[float | None, float | None]]
    """Metric to its smallest and largest possible value."""


@dataclass(frozen=True)
class Known:
    """The registries, as functions."""

    task: Callable[[str], KnownTask]
    """By `id@version`; raises UnknownName."""
    suite: Callable[[Mapping[str, Any]], SuiteLike]
    """From the content of a suite file; raises pydantic's ValidationError."""
    packaged: Callable[[str], SuiteLike | None]
    """The suite of this name that ships with saebench."""
    kind_of_control: Callable[[str], str]
    """The kind of subject that a control of a suite is; raises UnknownName or UsageError."""
