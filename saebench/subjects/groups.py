"""Which dictionaries a set or pair holds, and what it is called."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from saebench.errors import UsageError
from saebench.subjects.spec import parse


def members_of(text: str) -> list[str]:
    """Specifications of the members of a set or pair; a path whose last part has a `*` stands for all that match.

    Raises:
        UsageError: fewer than two members, a pair that is not two, a member named twice, or a pattern without a match.
    """
    spec = parse(text)
    members: list[str] = []
    for part in spec.body.split(","):
        where = Path(part)
        found = sorted(map(str, where.parent.glob(where.name))) if "*" in where.name else [part]
        if not part or not found:
            raise UsageError(f"subject '{text}': nothing is called '{part}'")
        members += found
    if len(set(members)) < len(members):
        raise UsageError(f"subject '{text}' names a member twice")
    if len(members) < 2 or (spec.prefix == "pair" and len(members) > 2):
        raise UsageError(f"subject '{text}' has {len(members)} members: write {spec.prefix}:A,B")
    return members


def group_name(kind: str, names: Sequence[str]) -> str:
    """A name for tables: what the names of a set begin with and how many they are, or both names of a pair."""
    if kind == "pair":
        return " ~ ".join(names)
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    shared = "".join(letters[0] for letters in alike).rstrip("0123456789")
    return f"{shared.removesuffix('seed').removesuffix('s').rstrip('-_.') or kind} x{len(names)}"
