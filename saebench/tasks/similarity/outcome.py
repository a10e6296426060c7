"""What measuring one pair gives, piece by piece, and how a journal keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from saebench.results.items import ItemTable
from saebench.tasks.contract import Scores

Array = np.ndarray[Any, Any]


@dataclass
class Outcome:
    """Tables, details and reasons as they come in."""

    tables: dict[str, ItemTable] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)

    def lack(self, reason: str, *metrics: str) -> None:
        """These metrics have no value."""
        self.undefined |= dict.fromkeys(metrics, reason)


def to_arrays(key: str, scores: Scores) -> dict[str, Array]:
    """Scores under `key/...`."""
    texts = {
        "details": scores.details,
        "cost": scores.cost,
        "undefined": scores.undefined,
        "tables": {name: sorted(table.columns) for name, table in scores.tables.items()},
    }
    arrays: dict[str, Array] = {f"{key}/texts": np.array(json.dumps(texts))}
    for name, table in scores.tables.items():
        arrays[f"{key}/items/{name}"] = np.array(table.items, dtype=str)
        arrays[f"{key}/clusters/{name}"] = np.array(table.clusters, dtype=str)
        for column, values in table.columns.items():
            arrays[f"{key}/column/{name}/{column}"] = values
    return arrays


def from_arrays(key: str, arrays: Mapping[str, Array]) -> Scores | None:
    """The inverse of `to_arrays`; None where the journal does not have it."""
    if f"{key}/texts" not in arrays:
        return None
    texts = json.loads(str(arrays[f"{key}/texts"]))
    tables = {
        name: ItemTable(
            tuple(arrays[f"{key}/items/{name}"].tolist()),
            tuple(arrays[f"{key}/clusters/{name}"].tolist()),
            {column: arrays[f"{key}/column/{name}/{column}"] for column in columns},
        )
        for name, columns in texts["tables"].items()
    }
    return Scores(tables, texts["details"], texts["cost"], texts["undefined"])
