"""How groups are worked off. An executor takes groups and a function, and yields outcomes as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from saebench.registry import Registry

if TYPE_CHECKING:
    from saebench.run.group import GroupOutcome
    from saebench.run.plan import Group


class Executor(Protocol):
    """Works off groups; the order of outcomes is the executor's own."""

    name: str

    def run(self, groups: Sequence[Group], work: Callable[[Group], GroupOutcome]) -> Iterator[GroupOutcome]:
        """Call `work` on each group, at most once each."""


class Serial:
    """One group after the other in this process."""

    name = "serial"

    def run(self, groups: Sequence[Group], work: Callable[[Group], GroupOutcome]) -> Iterator[GroupOutcome]:
        """Outcomes in the order of the groups."""
        return map(work, groups)


EXECUTORS: Registry[type[Executor]] = Registry("executor", "saebench.executors")
EXECUTORS.add("serial", "saebench.run.executors:Serial")
