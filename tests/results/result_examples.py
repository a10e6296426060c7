"""Made-up results of a made-up task, for tests of what reads and writes them."""

from __future__ import annotations

import numpy as np

from saebench.results.identity import result_id
from saebench.results.items import ItemTable
from saebench.results.schema import (
    DataRecord,
    Identity,
    ModelRecord,
    ProvenanceRecord,
    ResultRecord,
    SubjectRecord,
)
from saebench.tasks.contract import Card, Metric, Scores
from saebench.tasks.summary import summarise

CARD = Card(
    id="toy",
    version=1,
    question="How good is it?",
    source="made up",
    metrics=(
        Metric("quality", "good / tokens", {"good": 1}, {"tokens": 1}, "documents", direction="up"),
        Metric("error", "one minus quality", {"good": 1}, {"tokens": 1}, "documents", True, direction="down"),
        Metric("size", "tokens per document", {"tokens": 1}, {"1": 1}, "documents"),
        Metric("width", "mean width of latents", {"width": 1}, {"1": 1}, "latents", direction="up"),
        Metric("old", "good / tokens as it used to be", {"good": 1}, {"tokens": 1}, "documents", group="legacy"),
    ),
    headline=("quality", "width"),
    paired_by={"documents": "document"},
)
DOCUMENTS = 40


def tables_of(quality: float, *, seed: int = 0, documents: int = DOCUMENTS, noise: float = 0.02, latents: int = 30):
    """Item tables: documents of unequal difficulty that all subjects share, latents of the subject's own."""
    shared = np.random.default_rng(seed)
    tokens = shared.integers(50, 150, documents).astype(float)
    difficulty = shared.normal(0, 0.2, documents)
    own = np.random.default_rng([seed, int(quality * 1e6)])
    good = tokens * (quality + difficulty + noise * own.normal(size=documents))
    names = tuple(f"s{seed}-doc{i:03}" for i in range(documents))
    ids = tuple(f"latent{i}" for i in range(latents))
    return {
        "documents": ItemTable(names, names, {"good": good, "tokens": tokens}),
        "latents": ItemTable(ids, ids, {"width": quality + 0.1 * own.normal(size=latents)}),
    }


def scores_of(quality: float, **settings) -> Scores:
    return Scores(tables_of(quality, **settings), details={"histogram": [1, 2, 3]}, cost={"seconds": 1.5})


def record_of(
    name: str,
    scores: Scores,
    *,
    eval_seed: int = 0,
    suite: str = "quick-v1",
    site: str = "blocks.1",
    ratio: float = 0.5,
    **extra,
):
    """The record that a run would write, without its items."""
    identity = Identity(
        subject=f"fingerprint of {name}",
        task=CARD.name,
        metrics=CARD.fingerprint(),
        params={"tokens": 1000, "ratio": ratio},
        data={"eval": f"data for seed {eval_seed}"},
        site=site,
        packing={"context": 128},
        mask_rule="all but the first",
        tokenizer="tokenizer",
        lm="weights",
        eval_seed=eval_seed,
        dtype="float32",
    )
    settings = {
        "id": result_id(identity),
        "task": CARD.name,
        "suite": suite,
        "subject": SubjectRecord(
            spec=f"./{name}",
            name=name,
            kind="dictionary",
            fingerprint=identity.subject,
            architecture="topk",
            d_in=16,
            d_dict=64,
            provenance={"train_seed": 3, "lm": "toy lm"},
        ),
        "site": site,
        "model": ModelRecord(
            name="toy lm", weights_hash="w", tokenizer_hash="t", compute_dtype="float32", store_dtype="float32"
        ),
        "data": [
            DataRecord(
                part="eval",
                name="toy prose",
                fingerprint="0123456789abcdef" * 4,
                licence="CC0",
                documents=DOCUMENTS,
                tokens=4000,
                packing={"context": 128},
                mask_rule="all but the first",
            )
        ],
        "identity": identity,
        "eval_seed": eval_seed,
        "metrics": summarise(CARD, scores),
        "details": dict(scores.details),
        "cost": dict(scores.cost),
        "items": None,
        "provenance": ProvenanceRecord(
            saebench="0.1.0",
            torch="2",
            transformers="5",
            python="3.11",
            platform="linux",
            device="cpu",
            threads=1,
            batch_size=8,
            executor="serial",
            started="2026-01-01T00:00:00+00:00",
            finished="2026-01-01T00:01:00+00:00",
        ),
    }
    return ResultRecord(**{**settings, **extra})


def write_example(store, name: str, quality: float, **settings):
    """Write one result; returns its stored record."""
    own = {key: settings.pop(key) for key in ("eval_seed", "suite", "site", "ratio") if key in settings}
    scores = scores_of(quality, seed=own.get("eval_seed", 0), **settings)
    return store.write(record_of(name, scores, **own), scores.tables)
