"""RAVEL's own files (Huang et al. 2024, explanare/ravel, MIT): a folder of JSON files, or the data.tgz that holds it.

For an entity type TYPE four files are read: `ravel_TYPE_entity_attributes.json`,
`ravel_TYPE_attribute_to_prompts.json`, `ravel_TYPE_entity_to_split.json`, `ravel_TYPE_prompt_to_split.json`. Entities
and templates of its "val" split are left out: this package tunes nothing on them. Entities come in the order of the
hash of their names. From the archive members are read by name into memory, and nothing is unpacked.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from saebench.data.facts import SIDES, Entity, Facts, Template, check_facts
from saebench.errors import DataError
from saebench.fingerprint import digest

LICENCE = "MIT (explanare/ravel)"
MAX_BYTES = 64_000_000
"""A member that claims more is not RAVEL's."""
PARTS = ("entity_attributes", "attribute_to_prompts", "entity_to_split", "prompt_to_split")


def read_ravel(path: Path, kind: str) -> Facts:
    """The entities and templates of one type ("city", "nobel_prize_winner", "occupation", "physical_object", "verb").

    Raises:
        DataError: no such file or folder, an unsound archive, a missing or malformed member.
    """
    wanted = {part: f"ravel_{kind}_{part}.json" for part in PARTS}
    found = _of_folder(path, wanted.values()) if path.is_dir() else _of_archive(path, wanted.values())
    for name in wanted.values():
        if name not in found:
            raise DataError(f"has no {name}", file=path, remedy="give RAVEL's data.tgz or its folder, and a type in it")
    attributes, prompts, entity_split, prompt_split = (_table(path, wanted[part], found) for part in PARTS)
    entities = tuple(
        Entity(name, _values(values, path, wanted["entity_attributes"], name), entity_split.get(name))
        for name, values in sorted(attributes.items(), key=lambda item: hashlib.sha256(item[0].encode()).digest())
        if entity_split.get(name) in SIDES
    )
    templates = tuple(
        Template(attribute, text, prompt_split[text])
        for attribute, texts in prompts.items()
        for text in texts
        if prompt_split.get(text) in SIDES
    )
    revision = f"local {digest({name: found[name].decode('utf-8', 'replace') for name in sorted(found)})[:12]}"
    return check_facts(Facts(f"ravel {kind}", LICENCE, revision, entities, templates), path)


def _values(values: object, path: Path, member: str, entity: str) -> dict[str, str]:
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise DataError("is not an object of texts", file=path, field=f"{member}, {entity}")
    return {attribute: value for attribute, value in values.items() if value.strip()}


def _table(path: Path, name: str, found: dict[str, bytes]) -> dict[str, Any]:
    try:
        table = json.loads(found[name])
    except ValueError as error:
        raise DataError(f"is not JSON: {error}", file=path, field=name) from error
    if not isinstance(table, dict):
        raise DataError("is not a JSON object", file=path, field=name)
    return table


def _of_folder(path: Path, names: Iterable[str]) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in names if (path / name).is_file()}


def _of_archive(path: Path, names: Iterable[str]) -> dict[str, bytes]:
    """The wanted members, whatever folder of the archive they stand in; links and other kinds are passed over."""
    wanted = set(names)
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                stream = archive.extractfile(member) if name in wanted and member.isreg() else None
                if stream is None:
                    continue
                if member.size > MAX_BYTES:
                    raise DataError(f"claims {member.size} bytes", file=path, field=member.name)
                found[name] = stream.read()
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise DataError(f"is not a sound archive: {error}", file=path, remedy="give RAVEL's data.tgz") from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", file=path) from error
    return found
