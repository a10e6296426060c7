"""What was found out about one subject, in arrays that a journal can keep."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from saebench.tasks.contract import ItemTable, Scores

Array = np.ndarray[Any, Any]

Labels = Mapping[str, tuple[Sequence[str], Sequence[str]]]
"""Items and clusters of each table."""


@dataclass
class Account:
    """Columns by table, and what goes beside them.

    Attributes:
        tables: table to column to values.
        details, cost, undefined: of `Scores`, JSON values.
    """

    tables: dict[str, dict[str, Array]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)

    def arrays(self, key: str) -> dict[str, Array]:
        """For the journal."""
        rest = json.dumps({"details": self.details, "cost": self.cost, "undefined": self.undefined})
        columns = {
            f"{key}/{table}/{name}": np.asarray(values, dtype=np.float64)
            for table, held in self.tables.items()
            for name, values in held.items()
        }
        return {**columns, f"{key}/rest": np.array(rest)}

    @classmethod
    def restored(cls, key: str, arrays: Mapping[str, Array]) -> Account | None:
        """The inverse of `arrays`; None where the journal does not hold it."""
        if f"{key}/rest" not in arrays:
            return None
        made = cls(**json.loads(str(arrays[f"{key}/rest"])))
        for name, values in arrays.items():
            parts = name.split("/")
            if parts[0] == key and len(parts) == 3:
                made.tables.setdefault(parts[1], {})[parts[2]] = values
        return made

    def scores(self, labels: Labels) -> Scores:
        """As the task returns it."""
        tables = {
            name: ItemTable(tuple(labels[name][0]), tuple(labels[name][1]), columns)
            for name, columns in self.tables.items()
        }
        return Scores(tables, self.details, self.cost, self.undefined)
