"""Making a bundle from results of ours: the author's folder, with names in place of the paths of this machine."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from saebench.results.atomic import write_bytes
from saebench.results.schema import ItemsRecord, ResultRecord, SubjectRecord
from saebench.results.store import ResultStore
from saebench.submissions.bundle import Environment
from saebench.submissions.card import card_text
from saebench.submissions.item_lines import to_lines
from saebench.submissions.layout import CARD, ENVIRONMENT, FOLDERS, MANIFEST, SUITE, check_bundle_name
from saebench.submissions.manifest import manifest_of

PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "scipy", "scikit-learn", "sae-lens", "safetensors")
"""Distributions that numbers may depend on."""


def write_bundle(
    folder: Path,
    records: Sequence[ResultRecord],
    store: ResultStore,
    *,
    subject: str,
    places: Mapping[str, str],
    suite: Mapping[str, Any],
    answers: Mapping[str, str],
) -> Path:
    """Write the bundle `folder`, whose name is that of the submission; what an older one held is replaced.

    Args:
        folder: made where it is missing.
        records: results of the subject, and of the controls beside it.
        store: where their items are.
        subject: fingerprint of what is submitted.
        places: where it, or each of its members, lay here, to what the bundle says instead.
        suite: content of the suite file.
        answers: what the author says about it; questions without an answer become placeholders.

    Raises:
        SubmissionError: the folder cannot be called so.
        StorageError: it cannot be written.
    """
    name = check_bundle_name(folder.name)
    files: dict[str, bytes] = {
        CARD: card_text(name, subject, answers),
        SUITE: yaml.safe_dump(dict(suite), sort_keys=False, allow_unicode=True).encode(),
        ENVIRONMENT: _json(environment().model_dump()),
    }
    for record in records:
        tables = store.items(record)
        lines = to_lines(tables)
        items = ItemsRecord(
            file=f"{record.id}.jsonl",
            sha256=hashlib.sha256(lines).hexdigest(),
            rows=sum(len(table.items) for table in tables.values()),
            tables={key: len(table.items) for key, table in sorted(tables.items())},
        )
        described = _described(record.subject, places, name, own=record.subject.fingerprint == subject)
        sent = record.model_copy(update={"items": items, "subject": described, "submission": None})
        files[f"results/{record.id}.json"] = _json(sent.model_dump())
        files[f"items/{record.id}.jsonl"] = lines
    for inner in FOLDERS:
        for old in (folder / inner).glob("*"):
            old.unlink()
    for path, content in {**files, MANIFEST: manifest_of(files)}.items():
        write_bytes(folder / path, content)
    return folder


def environment() -> Environment:
    """The software of this process."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return Environment(
        saebench=version("saebench"),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages=found,
    )


def _described(subject: SubjectRecord, places: Mapping[str, str], name: str, *, own: bool) -> SubjectRecord:
    """The subject under its public name. Where it lay on the author's machine is nobody's business."""
    members = subject.provenance.get("members")
    provenance = dict(subject.provenance)
    if members:
        provenance["members"] = [{**member, "spec": member["name"]} for member in members]
    spec = subject.spec
    for place, public in places.items():
        spec = spec.replace(f"of={place}", f"of={public}")
    shown = {"spec": f"submission:{name}", "name": name} if own else {"spec": spec}
    return subject.model_copy(update={**shown, "provenance": provenance})


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()
