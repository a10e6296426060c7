"""What the command line writes: data on stdout, everything else on stderr.

Progress is drawn as bars on a terminal and as plain lines, at most one in ten seconds for each bar, otherwise.
"""

from __future__ import annotations

import json
import os
import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from saebench.progress import Bar, Progress

PIPED_WIDTH = 200
"""Columns of what is piped: wide enough that no name or id is folded. COLUMNS overrides it."""

out = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH)
err = Console(stderr=True, highlight=False)

LINE_SECONDS = 10.0


def print_json(value: object) -> None:
    """One JSON document on stdout, indented, without NaN."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def print_text(text: str) -> None:
    """Text on stdout as it is, without wrapping or markup."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def print_error(text: str) -> None:
    """One error on stderr."""
    err.print("error:", style="bold red", end=" ")
    err.print(text, markup=False, soft_wrap=True)


class TerminalProgress:
    """Bars of rich, on stderr."""

    def __init__(self) -> None:
        self._shown = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[facts]}", style="dim"),
            console=err,
        )

    def bar(self, label: str, total: float | None, unit: str) -> Bar:
        self._shown.start()
        return _RichBar(self._shown, self._shown.add_task(label, total=total, unit=unit, facts=""))

    def note(self, text: str) -> None:
        err.print(text, markup=False, soft_wrap=True)


class _RichBar(Bar):
    def __init__(self, shown: RichProgress, task: TaskID) -> None:
        self._shown, self._task = shown, task

    def advance(self, amount: float = 1, **fields: float | str) -> None:
        if fields:
            self._shown.update(self._task, advance=amount, facts=_facts(fields))
        else:
            self._shown.update(self._task, advance=amount)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.stop_task(self._task)
        if all(task.stop_time is not None for task in self._shown.tasks):
            self._shown.stop()


class LineProgress:
    """Plain lines on stderr, for logs and pipes."""

    def bar(self, label: str, total: float | None, unit: str) -> Bar:
        return _LineBar(label, total, unit)

    def note(self, text: str) -> None:
        err.print(text, markup=False, soft_wrap=True)


class _LineBar(Bar):
    def __init__(self, label: str, total: float | None, unit: str) -> None:
        self._label, self._total, self._unit = label, total, unit
        self._done = 0.0
        self._started = self._last = time.monotonic()
        self._facts = ""

    def advance(self, amount: float = 1, **fields: float | str) -> None:
        self._done += amount
        self._facts = _facts(fields) if fields else self._facts
        if time.monotonic() - self._last >= LINE_SECONDS:
            self._last = time.monotonic()
            self._write()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write()

    def _write(self) -> None:
        spent = time.monotonic() - self._started
        whole = f"/{self._total:.0f}" if self._total is not None else ""
        left = ""
        if self._total and 0 < self._done < self._total:
            left = f", {spent * (self._total - self._done) / self._done:.0f} s left"
        facts = f"  {self._facts}" if self._facts else ""
        err.print(
            f"{self._label}: {self._done:.0f}{whole} {self._unit} in {spent:.0f} s{left}{facts}",
            markup=False,
            soft_wrap=True,
        )


def _facts(fields: dict[str, float | str]) -> str:
    return "  ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in fields.items()
    )


def progress() -> Progress:
    """Bars when stderr is a terminal, plain lines otherwise."""
    return TerminalProgress() if err.is_terminal else LineProgress()


def compact(value: object) -> str:
    """A value that is no text, as short JSON."""
    return json.dumps(value, ensure_ascii=False)
