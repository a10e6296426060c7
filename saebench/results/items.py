"""Per-item scores and their file: all tables of one result in one parquet file.

Columns are `table`, `item`, `cluster`, `partner` where a table has items of two clusters, then every value column of
any table, sorted by name; a table that lacks a column holds nulls there. Which columns a table has is written in the
file's schema. Equal tables give equal bytes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from saebench.errors import ResultsError
from saebench.fingerprint import canonical_json

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

LABELS = ("table", "item", "cluster")
PARTNER = "partner"
COLUMNS_KEY = b"saebench.columns"


@dataclass(frozen=True)
class ItemTable:
    """Per-item scores: one row an item, with the id of the item and of the cluster it belongs to."""

    items: tuple[str, ...]
    clusters: tuple[str, ...]
    columns: Mapping[str, FloatArray]
    partners: tuple[str, ...] = ()
    """Second cluster of each item, where items are pairs (of seeds): intervals are then jackknifed over clusters."""

    def __post_init__(self) -> None:
        sizes = {len(self.items), len(self.clusters), *(len(column) for column in self.columns.values())}
        if self.partners:
            sizes.add(len(self.partners))
        if len(sizes) > 1:
            raise ValueError(f"columns of an item table differ in length: {sorted(sizes)}")

    def combine(self, weights: Mapping[str, float]) -> FloatArray:
        """Weighted sum of columns for each item; the column "1" is one everywhere."""
        total = np.zeros(len(self.items))
        for name, weight in weights.items():
            total += weight * (np.ones(len(self.items)) if name == "1" else self.columns[name])
        return total


def to_parquet(tables: Mapping[str, ItemTable]) -> bytes:
    """The bytes of the file.

    Raises:
        ValueError: a value column has the name of a label.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    ordered = sorted(tables.items())
    values = sorted({column for table in tables.values() for column in table.columns})
    if taken := set(values) & {*LABELS, PARTNER}:
        raise ValueError(f"value columns of an item table cannot be called {sorted(taken)}")
    labels: dict[str, list[str | None]] = {
        "table": [name for name, table in ordered for _ in table.items],
        "item": [item for _, table in ordered for item in table.items],
        "cluster": [cluster for _, table in ordered for cluster in table.clusters],
    }
    if any(table.partners for table in tables.values()):
        labels[PARTNER] = [one for _, table in ordered for one in table.partners or [None] * len(table.items)]
    arrays = [pa.array(held, pa.string()) for held in labels.values()]
    for column in values:
        parts = [
            pa.array(np.asarray(table.columns[column], dtype=np.float64), pa.float64())
            if column in table.columns
            else pa.nulls(len(table.items), pa.float64())
            for _, table in ordered
        ]
        arrays.append(pa.chunked_array(parts, pa.float64()).combine_chunks())
    owned = canonical_json({name: sorted(table.columns) for name, table in ordered})
    whole = pa.table(arrays, names=[*labels, *values]).replace_schema_metadata({COLUMNS_KEY: owned.encode()})
    buffer = io.BytesIO()
    pq.write_table(whole, buffer, compression="zstd", use_dictionary=list(labels))
    return buffer.getvalue()


def from_parquet(data: bytes, file: str = "items") -> dict[str, ItemTable]:
    """The tables of a file, by name.

    Raises:
        ResultsError: it is not such a file; `file` names it.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        whole = pq.read_table(io.BytesIO(data))
        held = json.loads((whole.schema.metadata or {})[COLUMNS_KEY])
        owners, items, clusters = (np.asarray(whole[label].to_pylist(), dtype=object) for label in LABELS)
        second = whole[PARTNER].to_pylist() if PARTNER in whole.column_names else [None] * len(items)
        partners = np.asarray(second, dtype=object)
        tables = {}
        for name, columns in held.items():
            rows = np.flatnonzero(owners == name)
            values = {column: whole[column].take(rows).to_numpy().astype(np.float64) for column in columns}
            tables[name] = ItemTable(
                tuple(items[rows]),
                tuple(clusters[rows]),
                values,
                tuple(one for one in partners[rows] if one is not None),
            )
    except (pa.ArrowException, KeyError, ValueError, TypeError, AttributeError) as error:
        raise ResultsError(
            f"not a file of per-item scores: {error}", file=file, remedy="delete the result and run it again"
        ) from error
    return tables
