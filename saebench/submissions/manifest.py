"""`MANIFEST.json`: size and SHA-256 of every other file, so that what was verified is what was sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from saebench.submissions import limits
from saebench.submissions.layout import MANIFEST
from saebench.submissions.refusing import refusal
from saebench.submissions.strict_json import parse_json

FORMAT = 1
REMEDY = "run 'saebench submit' again: it writes the bundle anew from what is stored"


class Entry(BaseModel):
    """One file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    bytes: int = Field(ge=0)
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: int
    files: dict[str, Entry]


def manifest_of(files: Mapping[str, bytes]) -> bytes:
    """The content of the manifest of some files."""
    entries = {
        path: Entry(bytes=len(files[path]), sha256=hashlib.sha256(files[path]).hexdigest())
        for path in sorted(files)
        if path != MANIFEST
    }
    return (json.dumps(Manifest(format=FORMAT, files=entries).model_dump(), indent=1) + "\n").encode()


def check_manifest(files: Mapping[str, bytes]) -> None:
    """Hold the files against the manifest among them.

    Raises:
        SubmissionError: it does not validate, or a file is missing, left over or another one.
    """
    try:
        manifest = Manifest.model_validate(parse_json(files[MANIFEST], MANIFEST, limits.MEBIBYTE))
    except ValidationError as error:
        fault = error.errors()[0]
        raise refusal(fault["msg"], MANIFEST, ".".join(map(str, fault["loc"])), REMEDY) from error
    if manifest.format != FORMAT:
        raise refusal(f"format {manifest.format}; this saebench reads {FORMAT}", MANIFEST, "format", "upgrade saebench")
    held = {path for path in files if path != MANIFEST}
    for path in sorted(held ^ set(manifest.files)):
        missing = "is in the manifest and not in the bundle" if path not in held else "is not in the manifest"
        raise refusal(missing, path, remedy=REMEDY)
    for path, entry in manifest.files.items():
        if len(files[path]) != entry.bytes or hashlib.sha256(files[path]).hexdigest() != entry.sha256:
            raise refusal("is not the file that the manifest names: it was changed", path, remedy=REMEDY)
