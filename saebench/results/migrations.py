"""Older results files, brought to the present schema step by step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from saebench.errors import ResultsError
from saebench.results.schema import SCHEMA_VERSION

MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Schema version to what turns such a file into the next version. Version 1 is the first."""


def migrate(raw: dict[str, Any], file: Path) -> dict[str, Any]:
    """The same result in the present schema.

    Raises:
        ResultsError: the file was written by a newer saebench, or names no version.
    """
    version = raw.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ResultsError(
            f"{version!r} is no schema version", file=file, field="schema_version", remedy="is it a results file?"
        )
    if version > SCHEMA_VERSION:
        raise ResultsError(
            f"written with schema version {version}; this saebench reads up to {SCHEMA_VERSION}",
            file=file,
            field="schema_version",
            remedy="upgrade saebench",
        )
    while version < SCHEMA_VERSION:
        raw = MIGRATIONS[version](raw)
        version += 1
    return {**raw, "schema_version": version}
