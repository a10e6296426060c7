"""What is scored: one dictionary, or several together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from saebench.subjects.spec import parse

if TYPE_CHECKING:
    import torch

    from saebench.baselines.concepts.method import ConceptMethod
    from saebench.dictionaries.contract import Dictionary
    from saebench.tasks.contract import Role


@dataclass
class DictionarySubject:
    """One dictionary to score; `make` builds it on first use and `release` lets it go."""

    spec: str
    name: str
    site: str
    fingerprint: str
    architecture: str
    make: Callable[[], Dictionary]
    device: torch.device
    dtype: torch.dtype
    role: Role | None = None
    kind: str = "dictionary"
    _made: Dictionary | None = None

    @property
    def members(self) -> tuple[DictionarySubject, ...]:
        """Itself."""
        return (self,)

    def dictionary(self) -> Dictionary:
        """The dictionary on the model's device and dtype."""
        if self._made is None:
            self._made = self.make().to(self.device, self.dtype)
        return self._made

    def concept(self) -> ConceptMethod:
        """It is none by itself: a task says how it chooses a latent.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{self.spec} is a dictionary and no concept method")

    def release(self) -> None:
        """Forget the tensors; the next `dictionary()` makes them again."""
        self._made = None


@dataclass
class GroupSubject:
    """Dictionaries that are scored together: a set that differs in training seed alone, or a pair, in order."""

    spec: str
    name: str
    kind: str
    """set or pair."""
    site: str
    """Of the first member; the second of a pair may have one of its own."""
    fingerprint: str
    members: tuple[DictionarySubject, ...]
    role: Role | None = None
    """The members' role, where all have the same."""

    @property
    def architecture(self) -> str:
        """The members' architecture; all of them where they differ."""
        return "+".join(dict.fromkeys(member.architecture for member in self.members))

    def dictionary(self) -> Dictionary:
        """It has several.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{self.spec} has {len(self.members)} dictionaries: ask its members")

    def concept(self) -> ConceptMethod:
        """It is none.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{self.spec} is no concept method")

    def release(self) -> None:
        """Forget the tensors of all members."""
        for member in self.members:
            member.release()


@dataclass
class ConceptSubject:
    """A concept method with its settings; nothing is fitted before a task brings a concept."""

    spec: str
    name: str
    site: str
    fingerprint: str
    architecture: str
    method: ConceptMethod
    role: Role | None = None
    kind: str = "concept"

    @property
    def members(self) -> tuple[ConceptSubject, ...]:
        """Itself."""
        return (self,)

    def dictionary(self) -> Dictionary:
        """It has none.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{self.spec} is a concept method and no dictionary")

    def concept(self) -> ConceptMethod:
        """The method."""
        return self.method

    def release(self) -> None:
        """It holds nothing."""


ScoredSubject = DictionarySubject | GroupSubject | ConceptSubject


def distinct(subjects: list[ScoredSubject]) -> list[ScoredSubject]:
    """Each subject once, by fingerprint, under names that a table can tell apart."""
    kept = list({subject.fingerprint: subject for subject in reversed(subjects)}.values())[::-1]
    tell_apart(kept)
    return kept


def tell_apart(subjects: Sequence[ScoredSubject]) -> None:
    """Give subjects of one name that of their folder too, and where that is alike the start of their fingerprint."""
    for longer in (with_folder, with_fingerprint):
        names = [subject.name for subject in subjects]
        for subject in subjects:
            if names.count(subject.name) > 1:
                subject.name = longer(subject)


def with_folder(subject: ScoredSubject) -> str:
    """`FOLDER-NAME`, the folder being the one that holds the dictionary, or all members of a set."""
    folders = {Path(parse(member.spec).body.rstrip("/")).parent.name for member in subject.members}
    folder = folders.pop() if len(folders) == 1 else ""
    return f"{folder}-{subject.name}" if folder and subject.kind != "pair" else subject.name


def with_fingerprint(subject: ScoredSubject) -> str:
    """`NAME-123abc`."""
    return f"{subject.name}-{subject.fingerprint[:6]}"
