"""How a computing room tells what it is doing, without printing.

The command line hands in bars or plain lines; everything else defaults to silence.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol


class Bar(AbstractContextManager["Bar"]):
    """One piece of work under way. The base class is silent."""

    def advance(self, amount: float = 1, **fields: float | str) -> None:
        """`amount` more units are done; `fields` are shown beside the bar (loss=..., l0=...)."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class Progress(Protocol):
    """What a room may be given to report progress."""

    def bar(self, label: str, total: float | None, unit: str) -> Bar:
        """Start a piece of work of `total` units (None: unknown)."""

    def note(self, text: str) -> None:
        """One line that a user should see."""


class Silent:
    """The default: nothing is shown."""

    def bar(self, label: str, total: float | None, unit: str) -> Bar:
        return Bar()

    def note(self, text: str) -> None:
        return None
