"""Results of a folder as one pandas frame, with the per-item scores behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from saebench.results.items import ItemTable
from saebench.results.schema import ResultRecord
from saebench.results.store import ResultStore

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "subject", "task", "metric", "value", "low", "high", "n", "undefined", "role", "kind", "architecture",
    "d_in", "d_dict", "train_seed", "eval_seed", "suite", "site", "lm", "dtype", "fingerprint", "id",
)  # fmt: skip


class Results:
    """Results and where they are.

    Args:
        records: one a unit.
        folder: the results folder that holds them, or several opened as one store.
    """

    def __init__(self, records: Iterable[ResultRecord], folder: Path | str | ResultStore) -> None:
        self.records: Sequence[ResultRecord] = tuple(
            sorted(records, key=lambda record: (record.task, record.subject.name, record.eval_seed, record.id))
        )
        self.store = folder if isinstance(folder, ResultStore) else ResultStore(folder)

    @classmethod
    def of(cls, records: Iterable[ResultRecord], folder: Path | str | ResultStore) -> Self:
        """Some results of a folder."""
        return cls(records, folder)

    @classmethod
    def read(cls, folder: Path | str) -> Self:
        """Every finished result of a folder.

        Raises:
            ResultsError: the folder is not there, or a result is damaged.
        """
        return cls(ResultStore(folder).all(), folder)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row a metric of a result, with the columns `COLUMNS`; an undefined number is NaN, with its reason."""
        import pandas as pd

        rows = [row for record in self.records for row in _rows(record)]
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        numbers = frame.columns[frame.columns.isin(["value", "low", "high"])]
        return frame.astype(
            {**dict.fromkeys(numbers, "float64"), "d_in": "Int64", "d_dict": "Int64", "train_seed": "Int64"}
        )

    def pivot(self, task: str, values: str = "value") -> pd.DataFrame:
        """Subjects by metrics of one task (`id@version`): the mean over eval_seeds of `value`, `low` or `high`."""
        frame = self.frame[self.frame["task"] == task]
        return frame.pivot_table(index="subject", columns="metric", values=values, aggfunc="mean", sort=True)

    def items(self, record: ResultRecord) -> dict[str, ItemTable]:
        """The item tables of one of the results."""
        return self.store.items(record)

    def where(self, keep: Callable[[ResultRecord], bool]) -> Results:
        """Those results that `keep` is true for."""
        return Results([record for record in self.records if keep(record)], self.store)

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        return f"Results({len(self.records)} results in {self.store.root})"


def _rows(record: ResultRecord) -> list[dict[str, Any]]:
    shared = {
        "subject": record.subject.name,
        "task": record.task,
        "role": record.subject.role,
        "kind": record.subject.kind,
        "architecture": record.subject.architecture,
        "d_in": record.subject.d_in,
        "d_dict": record.subject.d_dict,
        "train_seed": record.subject.provenance.get("train_seed"),
        "eval_seed": record.eval_seed,
        "suite": record.suite,
        "site": record.site,
        "lm": record.model.name if record.model else None,
        "dtype": record.identity.dtype,
        "fingerprint": record.subject.fingerprint,
        "id": record.id,
    }
    return [{**shared, "metric": name, **metric.model_dump()} for name, metric in record.metrics.items()]
