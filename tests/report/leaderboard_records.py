"""Fifteen results as `reconstruction@1` would give them, for tests of everything that only reads results."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from saebench.fingerprint import digest
from saebench.results.identity import result_id
from saebench.results.schema import (
    DataRecord,
    Identity,
    ItemsRecord,
    MetricValue,
    ModelRecord,
    ProvenanceRecord,
    ResultRecord,
    SubjectRecord,
)
from saebench.tasks.reconstruction.card import CARD

TASK = "reconstruction@1"
SITE = "blocks.9.hook_resid_post"


CLEAN, ZERO = 3.21, 11.42
HALF_WIDTH = {
    "l0": 0.02,
    "loss_recovered": 0.006,
    "fvu": 0.012,
    "explained_variance": 0.012,
    "ce_spliced": 0.06,
    "kl": 0.02,
    "cosine": 0.004,
}
RELATIVE = ("l0", "ce_spliced")

PANEL: tuple[tuple[str, str, str | None, int | None, float, float | None, float, float], ...] = (
    # name, architecture, role, train seed, L0, loss recovered, FVU, dead fraction
    ("topk-k32-s0", "topk", None, 0, 32.0, 0.871, 0.312, 0.021),
    ("topk-k64-s0", "topk", None, 0, 64.0, 0.924, 0.241, 0.014),
    ("batchtopk-k32-s0", "batchtopk", None, 0, 31.4, 0.882, 0.298, 0.009),
    ("batchtopk-k32-s1", "batchtopk", None, 1, 31.7, 0.880, 0.301, 0.011),
    ("batchtopk-k64-s0", "batchtopk", None, 0, 63.1, 0.931, 0.229, 0.006),
    ("relu-l0-64-s0", "relu", None, 0, 66.8, 0.862, 0.335, 0.118),
    ("pca-32", "pca", None, None, 32.0, 0.634, 0.471, 0.0),
    ("pca-64", "pca", None, None, 64.0, 0.741, 0.388, 0.0),
    ("identity", "identity", "identity", None, 576.0, 1.0, 0.0, 0.0),
    ("mean", "mean", "mean", None, 0.0, -0.012, 1.0, 0.0),
    ("random-32", "random", "random", None, 32.0, -0.184, 1.31, 0.0),
    ("random-64", "random", "random", None, 64.0, -0.243, 1.52, 0.0),
    ("permuted of topk-k32-s0", "permuted", "permuted", None, 32.0, -0.207, 1.44, 0.021),
    ("permuted of relu-l0-64-s0", "permuted", "permuted", None, 66.8, -0.298, 1.61, 0.118),
    ("oracle-less", "unknown", "oracle", None, 1.0, None, 0.52, 0.0),
)


def value(name: str, number: float | None, documents: int = 64) -> MetricValue:
    if number is None:
        return MetricValue(value=None, n=0, undefined="clean loss is not below zero-ablation loss")
    half = 0.0 if number in (0.0, 1.0) else HALF_WIDTH.get(name, 0.0) * (abs(number) if name in RELATIVE else 1.0)
    return MetricValue(value=number, low=number - half, high=number + half, n=documents)


def metrics(l0: float, recovered: float | None, fvu: float, dead: float) -> dict[str, MetricValue]:
    spliced = None if recovered is None else ZERO - recovered * (ZERO - CLEAN)
    numbers: Mapping[str, float | None] = {
        "l0": l0,
        "loss_recovered": recovered,
        "fvu": fvu,
        "explained_variance": 1 - fvu,
        "ce_spliced": spliced,
        "kl": None if spliced is None else max(0.0, (spliced - CLEAN) * 0.93),
        "cosine": float(np.sqrt(max(0.0, 1 - min(fvu, 1.0)))),
        "dead_fraction": dead,
        "ce_clean": CLEAN,
        "legacy_mse": 812.5 * fvu,
    }
    found = {name: value(name, number) for name, number in numbers.items()}
    if fvu == 1.0:
        found["cosine"] = MetricValue(value=None, n=0, undefined="the reconstruction does not depend on the input")
    found["dead_fraction"] = MetricValue(value=dead, n=1, undefined="one number for the whole dictionary: no interval")
    return found


def record(
    name: str,
    architecture: str,
    role: str | None,
    seed: int | None,
    found: Mapping[str, MetricValue],
    *,
    eval_seed: int = 0,
    suite: str = "quick",
) -> ResultRecord:
    fingerprint = digest(name)
    identity = Identity(
        subject=fingerprint,
        task=TASK,
        metrics=CARD.fingerprint(),
        params={"documents": 64},
        data={"eval": "c" * 32},
        site=SITE,
        packing={"context": 128},
        mask_rule="positions before the second real token are masked",
        tokenizer="b" * 32,
        lm="a" * 32,
        eval_seed=eval_seed,
        dtype="float32",
    )
    key = result_id(identity)
    fitted = "baseline:" if architecture == "pca" else "control:" if role else "dictionaries/"
    return ResultRecord(
        id=key,
        task=TASK,
        suite=suite,
        subject=SubjectRecord(
            spec=f"{fitted}{name}",
            name=name,
            kind="dictionary",
            role=role,  # type: ignore[arg-type]
            fingerprint=fingerprint,
            architecture=architecture,
            d_in=576,
            d_dict=576 if architecture in ("identity", "pca") else 1 if architecture == "mean" else 2048,
            traits={"scale_sensitive": architecture == "relu"},
            provenance={"train_seed": seed, "tokens": 204_800, "lm": "SmolLM2-135M-Instruct"}
            if seed is not None
            else {},
        ),
        site=SITE,
        model=ModelRecord(
            name="SmolLM2-135M-Instruct, Q4_1 dequantised",
            weights_hash="a" * 32,
            tokenizer_hash="b" * 32,
            compute_dtype="float32",
            store_dtype="float32",
        ),
        data=[
            DataRecord(
                part="eval",
                name="news",
                fingerprint="c" * 32,
                licence="CC0",
                documents=64,
                tokens=8128,
                packing={"context": 128},
                mask_rule="positions before the second real token are masked",
            )
        ],
        identity=identity,
        eval_seed=eval_seed,
        metrics=dict(found),
        details={"density_histogram": [3, 14, 159, 26, 5]},
        cost={"seconds_per_million_tokens": 812.0},
        items=ItemsRecord(file=f"{key}.items.parquet", sha256="d" * 64, rows=64, tables={"documents": 64}),
        provenance=ProvenanceRecord(
            saebench="0.1.0",
            torch="2.13.0",
            transformers="5.23.0",
            python="3.11.7",
            platform="linux-x86_64",
            device="cpu",
            threads=2,
            batch_size=16,
            executor="serial",
            started="2026-11-20T10:00:00Z",
            finished="2026-11-20T10:04:00Z",
        ),
    )


def panel() -> list[ResultRecord]:
    """Six trained dictionaries, two PCA baselines and seven controls, with undefined values among them."""
    return [
        record(name, architecture, role, seed, metrics(l0, recovered, fvu, dead))
        for name, architecture, role, seed, l0, recovered, fvu, dead in PANEL
    ]
