"""One registry for everything that has a name: tasks, architectures, baselines, models, executors.

A registry maps names to objects. An entry is either the object itself or the text
``"package.module:attribute"``, which is imported on first use, so that listing names stays light.
Third parties add entries through the entry-point group of the registry.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar, cast

from saebench.errors import PluginError, UnknownName, UsageError

T = TypeVar("T")


class Registry(Generic[T]):
    """Names to objects of one kind.

    Args:
        kind: what an entry is, in the singular, for messages ("task", "architecture").
        group: entry-point group that third parties extend, or None.
        remedy: one sentence that tells a user how to add an entry, appended to `UnknownName`.
    """

    def __init__(self, kind: str, group: str | None = None, remedy: str = "") -> None:
        self.kind = kind
        self.group = group
        self.remedy = remedy
        self._entries: dict[str, T | str] = {}
        self._discovered = False
        self.foreign: dict[str, str] = {}
        """Entries that other packages added, with the package's name; filled when names are first asked for."""

    def add(self, name: str, entry: T | str) -> None:
        """Register an object, or the text ``"module:attribute"`` of one, under `name`.

        Raises:
            UsageError: the name is taken by something else.
        """
        if name in self._entries and self._entries[name] != entry:
            raise UsageError(f"{self.kind} '{name}' is registered already: choose another name")
        self._entries[name] = entry

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator form of `add`."""

        def decorate(entry: T) -> T:
            self.add(name, entry)
            return entry

        return decorate

    def remove(self, name: str) -> None:
        """Forget an entry (for tests and notebooks that reload a module)."""
        self._entries.pop(name, None)

    def names(self) -> list[str]:
        """All names, sorted, third parties' included."""
        self._discover()
        return sorted(self._entries)

    def get(self, name: str) -> T:
        """The object called `name`.

        Raises:
            UnknownName: with near misses.
            PluginError: the package that adds it cannot be imported.
        """
        self._discover()
        if name not in self._entries:
            raise UnknownName(self.kind, name, near_misses(name, self._entries), self.names(), self.remedy)
        entry = self._entries[name]
        if isinstance(entry, str):
            entry = self._imported(name, entry)
            self._entries[name] = entry
        return entry

    def __contains__(self, name: object) -> bool:
        self._discover()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def _imported(self, name: str, place: str) -> T:
        module, _, attribute = place.partition(":")
        try:
            return cast(T, getattr(import_module(module), attribute))
        except Exception as error:
            if name not in self.foreign:
                raise
            raise PluginError(
                f"{self.kind} '{name}' comes from the package {self.foreign[name]}, which cannot be imported: "
                f"{type(error).__name__}: {error}",
                field=place,
                remedy="repair that package, or uninstall it",
            ) from error

    def _discover(self) -> None:
        if self._discovered or self.group is None:
            return
        self._discovered = True
        for point in entry_points(group=self.group):
            if point.name not in self._entries:
                self._entries[point.name] = point.value
                self.foreign[point.name] = point.dist.name if point.dist else point.module


def near_misses(name: str, known: Mapping[str, object]) -> list[str]:
    """Up to three known names that look like `name`, best first."""
    folded = {key.lower(): key for key in known}
    return [folded[match] for match in difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.6)]
