"""A sound bundle of made-up scores of `reconstruction@1`, in memory, and ways to change it and pack it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from saebench.results.identity import result_id
from saebench.results.items import ItemTable
from saebench.results.schema import (
    DataRecord,
    Identity,
    ItemsRecord,
    ModelRecord,
    ProvenanceRecord,
    ResultRecord,
    SubjectRecord,
)
from saebench.submissions.card import card_text
from saebench.submissions.item_lines import to_lines
from saebench.submissions.layout import CARD, ENVIRONMENT, MANIFEST, SUITE
from saebench.submissions.manifest import manifest_of
from saebench.tasks.contract import Scores
from saebench.tasks.reconstruction.card import CARD as TASK
from saebench.tasks.summary import summarise

Files = dict[str, bytes]

NAME = "my-sae"
SITE = "blocks.1.hook_resid_post"
DOCUMENTS, LATENTS = 12, 16
ANSWERS = {
    "authors": "A. Person and B. Person",
    "contact": "https://persons.test/a",
    "paper": "none",
    "licence": "Apache-2.0",
    "training_data": "The Pile, 200M tokens",
    "weights": "not published",
}
SUITE_TEXT = b"""name: toy
version: 1
lm: tiny
site: blocks.1.hook_resid_post
data:
  eval: {source: news, part: eval, documents: 12}
  fit: {source: news, part: train, documents: 12}
tasks:
  - task: reconstruction@1
controls: ["control:identity", "baseline:pca"]
"""


def tables(lost: float, seed: int) -> dict[str, ItemTable]:
    """Documents of unequal difficulty that all subjects share, and latents of the subject's own."""
    shared, own = np.random.default_rng(0), np.random.default_rng(seed)
    tokens = shared.integers(40, 60, DOCUMENTS).astype(float)
    columns = {
        name: tokens * shared.uniform(1, 3, DOCUMENTS)
        for name in sorted(_columns("documents"))
        if name not in {"tokens", "predictions"}
    }
    columns |= {"tokens": tokens, "predictions": tokens, "cosine": 0.8 * tokens}
    columns |= {"ce_zero": 10 * tokens, "ce_mean": 8 * tokens}
    columns["ce_spliced"] = columns["ce_clean"] + lost * own.uniform(0.5, 1.5, DOCUMENTS) * tokens
    latents = {name: own.integers(0, 2, LATENTS).astype(float) for name in sorted(_columns("latents"))}
    documents = tuple(hashlib.sha256(bytes([index])).hexdigest()[:16] for index in range(DOCUMENTS))
    names = tuple(str(index) for index in range(LATENTS))
    return {
        "documents": ItemTable(documents, documents, columns),
        "latents": ItemTable(names, names, latents),
    }


def _columns(table: str) -> set[str]:
    used = {name for one in TASK.metrics if one.table == table for name in (*one.numerator, *one.denominator)}
    return used - {"1"}


def result(name: str, spec: str, role: str | None, lost: float, seed: int) -> tuple[ResultRecord, bytes]:
    """A result as a bundle holds it, and its items."""
    held = tables(lost, seed)
    lines = to_lines(held)
    fingerprint = hashlib.sha256(spec.encode()).hexdigest()[:32]
    data = DataRecord(
        part="eval", name="news", fingerprint="c" * 32, licence="CC0", documents=DOCUMENTS, tokens=600,
        packing={"context": 128}, mask_rule="all but the first",
    )  # fmt: skip
    identity = Identity(
        subject=fingerprint, task=TASK.name, metrics=TASK.fingerprint(), params={}, data={"eval": "c" * 32}, site=SITE,
        packing={"context": 128}, mask_rule="all but the first", tokenizer="b" * 32, lm="a" * 32, eval_seed=0,
        dtype="float32/float32",
    )  # fmt: skip
    key = result_id(identity)
    record = ResultRecord(
        id=key,
        task=TASK.name,
        suite="toy-v1",
        subject=SubjectRecord(
            spec=spec, name=name, kind="dictionary", role=role, fingerprint=fingerprint, architecture="topk",
            d_in=16, d_dict=LATENTS, traits={"signed": False}, provenance={"train_seed": 3, "tokens": 1000},
        ),
        site=SITE,
        model=ModelRecord(
            name="tiny", weights_hash="d" * 32, tokenizer_hash="b" * 32, compute_dtype="float32", store_dtype="float32"
        ),
        data=[data],
        identity=identity,
        eval_seed=0,
        metrics=summarise(TASK, Scores(held)),
        details={"density_histogram": [1, 2, 3]},
        cost={"seconds_per_million_tokens": 12.5},
        items=ItemsRecord(
            file=f"{key}.jsonl", sha256=hashlib.sha256(lines).hexdigest(), rows=DOCUMENTS + LATENTS,
            tables={"documents": DOCUMENTS, "latents": LATENTS},
        ),
        provenance=ProvenanceRecord(
            saebench="0.1.0", torch="2.13", transformers="5.9", python="3.11", platform="linux", device="cpu",
            threads=1, batch_size=4, executor="serial", started="2026-11-20T10:00:00+00:00",
            finished="2026-11-20T10:01:00+00:00",
        ),
    )  # fmt: skip
    return record, lines


SUBJECT = f"submission:{NAME}"
SUBJECTS = (
    (NAME, SUBJECT, None, 0.1, 1),
    ("identity", "control:identity", "identity", 0.0, 2),
    ("pca-l0-4", "baseline:pca?l0=4", None, 0.4, 3),
)


def sound_files(subjects: tuple[tuple[str, str, str | None, float, int], ...] = SUBJECTS) -> Files:
    """The files of a bundle that is accepted; the first subject is the one that is submitted."""
    made = [result(*subject) for subject in subjects]
    files = {
        CARD: card_text(NAME, made[0][0].subject.fingerprint, ANSWERS),
        SUITE: SUITE_TEXT,
        ENVIRONMENT: dumped(
            {"saebench": "0.1.0", "python": "3.11", "platform": "Linux x86_64", "packages": {"torch": "2.13"}}
        ),
    }
    for record, lines in made:
        files[f"results/{record.id}.json"] = dumped(record.model_dump())
        files[f"items/{record.id}.jsonl"] = lines
    return {**files, MANIFEST: manifest_of(files)}


def dumped(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def own_result(files: Mapping[str, bytes]) -> str:
    """Id of the submitted subject's result."""
    return next(
        path.removeprefix("results/").removesuffix(".json")
        for path, content in files.items()
        if path.startswith("results/") and json.loads(content)["subject"]["name"] == NAME
    )


def signed(files: Mapping[str, bytes]) -> Files:
    """The files with a manifest that fits them: what a forger would send."""
    rest = {path: content for path, content in files.items() if path != MANIFEST}
    return {**rest, MANIFEST: manifest_of(rest)}


def with_record(files: Files, change: Callable[[dict[str, Any]], None], *, rename: bool = True) -> Files:
    """The bundle with the own result changed, file names and id following where `rename` is set."""
    old = own_result(files)
    record = json.loads(files[f"results/{old}.json"])
    change(record)
    rest = {path: content for path, content in files.items() if old not in path}
    new = record["id"] if rename and isinstance(record.get("id"), str) else old
    return signed({**rest, f"results/{new}.json": dumped(record), f"items/{new}.jsonl": files[f"items/{old}.jsonl"]})


def with_items(files: Files, change: Callable[[bytes], bytes]) -> Files:
    """The bundle with the own items changed, and everything that names their hash following."""
    path = f"items/{own_result(files)}.jsonl"
    lines = change(files[path])

    def follow(record: dict[str, Any]) -> None:
        record["items"]["sha256"] = hashlib.sha256(lines).hexdigest()

    return with_record({**files, path: lines}, follow)


def identified(record: dict[str, Any]) -> None:
    """Give a record the id that follows from its identity, as a forger would."""
    record["id"] = result_id(Identity.model_validate(record["identity"]))
    record["items"]["file"] = f"{record['id']}.jsonl"


def in_folder(files: Mapping[str, bytes], parent: Path, name: str = NAME) -> Path:
    for path, content in files.items():
        file = parent / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return parent / name


def as_zip(files: Mapping[str, bytes], name: str = NAME) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(f"{name}/{path}"), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def as_tar(files: Mapping[str, bytes], name: str = NAME) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)
