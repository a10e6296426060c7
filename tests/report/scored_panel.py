"""A small panel with per-item scores, stored as a run would store it: differences are known by construction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from leaderboard_records import CARD, TASK, record

from saebench.results.items import ItemTable
from saebench.results.metrics import metric_bootstrap, table_weights
from saebench.results.schema import MetricValue, ResultRecord
from saebench.results.store import ResultStore

DOCUMENTS = 24
LATENTS = 40
SUBJECTS = (
    # name, architecture, role, train seed, L0, share of the loss that is lost
    ("topk-k32-s0", "topk", None, 0, 32.0, 0.120),
    ("topk-k32-s1", "topk", None, 1, 32.0, 0.121),
    ("relu-s0", "relu", None, 0, 45.0, 0.300),
    ("pca-32", "pca", None, None, 32.0, 0.500),
    ("identity", "identity", "identity", None, 576.0, 0.0),
    ("mean", "mean", "mean", None, 0.0, 1.02),
)


def item_tables(l0: float, lost: float, seed: int) -> dict[str, ItemTable]:
    shared, own = np.random.default_rng(0), np.random.default_rng(seed + 1)
    tokens = shared.integers(90, 127, DOCUMENTS).astype(float)
    clean = tokens * shared.normal(3.2, 0.3, DOCUMENTS)
    zero = tokens * shared.normal(11.0, 0.4, DOCUMENTS)
    spliced = clean + np.clip(lost * (1 + 0.05 * own.normal(size=DOCUMENTS)), 0, None) * (zero - clean)
    variance = tokens * shared.normal(50.0, 4.0, DOCUMENTS)
    names = [f"document {index}" for index in range(DOCUMENTS)]
    latents = [f"latent {index}" for index in range(LATENTS)]
    columns = {
        "tokens": tokens,
        "predictions": tokens,
        "ce_clean": clean,
        "ce_zero": zero,
        "ce_spliced": spliced,
        "kl": spliced - clean,
        "sse": np.clip(lost, 0, 1) * variance,
        "sst": variance,
        "cosine": tokens * np.sqrt(1 - min(lost, 1.0)),
        "l0": tokens * l0,
    }
    dead = (np.arange(LATENTS) < 4).astype(float)
    return {
        "documents": ItemTable(tuple(names), tuple(names), columns),
        "latents": ItemTable(tuple(latents), tuple(latents), {"dead_fraction": dead}),
    }


def store_panel(folder: Path) -> list[ResultRecord]:
    """Write the panel below `folder`."""
    store = ResultStore(folder)
    return [
        store.write(record(name, architecture, role, seed, values(tables)), tables)
        for index, (name, architecture, role, seed, l0, lost) in enumerate(SUBJECTS)
        for tables in [item_tables(l0, lost, index)]
    ]


def values(tables: dict[str, ItemTable]) -> dict[str, MetricValue]:
    found = {}
    for name in CARD.headline:
        metric = CARD.metric(name)
        table = tables[metric.table]
        estimate = metric_bootstrap([metric], table, table_weights(table, TASK)).estimate(0)
        found[name] = MetricValue(
            value=estimate.value, low=estimate.low, high=estimate.high, n=estimate.n, undefined=estimate.undefined
        )
    return found
