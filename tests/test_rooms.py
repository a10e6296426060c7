"""Who imports whom: a room imports only rooms above it, whatever stands inside functions or under TYPE_CHECKING."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import saebench

PACKAGE = Path(saebench.__file__).parent
ORDER = (
    ("errors",),
    ("registry",),
    ("fingerprint",),
    ("progress",),
    ("packaged_files",),
    ("yaml_file",),
    ("stats",),
    ("results",),
    ("submissions",),
    ("assets",),
    ("lm",),
    ("data",),
    ("judges",),
    ("activations",),
    ("matching",),
    ("dictionaries",),
    ("training",),
    ("baselines",),
    ("token_means",),
    ("answers",),
    ("tasks",),
    ("subjects", "bench"),
    ("fakes",),
    ("run",),
    ("audit",),
    ("nightly",),
    ("tracking",),
    ("report",),
    ("verifier",),
    ("api", "quickstart", "listing", "health", "submitting"),
    ("cli",),
)
PLACES = {room: place for place, rooms in enumerate(ORDER) for room in rooms}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and room of every import from the package."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "saebench":
            names = [f"saebench.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            if name.startswith("saebench."):
                yield node.lineno, name.split(".")[1]


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_room_imports_only_rooms_above_it(file):
    room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    below = [
        f"line {line}: {room} imports {other}"
        for line, other in imported(ast.parse(file.read_text(encoding="utf-8")))
        if other != room and PLACES[other] >= PLACES[room]
    ]
    assert not below
