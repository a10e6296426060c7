"""What `saebench compare` shows: chooses results of folders, compares them, and renders the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Never

from saebench.errors import ResultsError, UnknownName
from saebench.registry import near_misses
from saebench.report.formats import csv_text, json_value, latex, markdown
from saebench.report.table import SPARSITY, rich_table
from saebench.report.view import unique
from saebench.results.comparison import compare_records
from saebench.results.frame import Results
from saebench.results.items import ItemTable
from saebench.results.schema import ResultRecord
from saebench.results.standings import Comparison
from saebench.results.store import ResultStore
from saebench.tasks import TASKS
from saebench.tasks.contract import Card

if TYPE_CHECKING:
    from rich.console import RenderableType

Format = Literal["table", "markdown", "latex", "csv"]


@dataclass(frozen=True)
class Tables:
    """Comparisons, ready to be rendered."""

    comparisons: tuple[Comparison, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """One object for each scope."""
        return json_value(self.comparisons)


class _ManyFolders(ResultStore):
    """Item tables of results that lie in several folders."""

    def __init__(self, homes: Mapping[str, ResultStore], root: Path) -> None:
        super().__init__(root)
        self._homes = homes

    def items(self, record: ResultRecord) -> dict[str, ItemTable]:
        return self._homes[record.id].items(record)


def compare_results(
    results: Results, *, base: str | None = None, metrics: Sequence[str] | None = None
) -> list[Comparison]:
    """One comparison for each scope and metric of some results.

    Args:
        results: those that are compared.
        base: subject that differences are taken to; None: no differences.
        metrics: names of metrics; None: the headline of each task's card. L0 is added to them where a task has it.

    Raises:
        UnknownName: `base`, a metric or a task is not known.
    """
    return _compare(results.records, results.store, base, metrics)


def compare_folders(
    subjects: Sequence[str],
    out: Path,
    *,
    task: str | None = None,
    metrics: Sequence[str] | None = None,
    base: str | None = None,
) -> Tables:
    """Compare what the command line names.

    Args:
        subjects: results folders, or names, specs or paths of subjects whose results are in `out`; none: all of `out`.
        out: results folder in which subjects are looked up.
        task: `id@version`; None: every task.
        metrics: as in `compare_results`.
        base: subject that differences are taken to, by name, spec or path; it is compared as well.

    Raises:
        UnknownName: a subject, the base, a metric or the task is not known.
        ResultsError: a folder holds no results, or damaged ones.
    """
    folders = [Path(one) for one in subjects if _is_results_folder(Path(one))]
    named = [one for one in subjects if not _is_results_folder(Path(one))]
    stores = [ResultStore(folder) for folder in (*folders, *([out] if named or not folders else []))]
    homes: dict[str, ResultStore] = {}
    wanted = []
    for store in stores:
        found = list(store.all())
        homes |= {record.id: store for record in found}
        wanted += _named(found, [*named, *([base] if base else [])]) if named and store is stores[-1] else found
    if task is not None:
        TASKS.get(task)
        wanted = [record for record in wanted if record.task == task]
    if not wanted:
        places = ", ".join(str(store.root) for store in stores)
        raise ResultsError(
            f"holds no results{f' of {task}' if task else ''}", file=places, remedy="'saebench run' makes some"
        )
    records = unique(wanted)
    return Tables(tuple(_compare(records, _ManyFolders(homes, out), _name_of(base, records), metrics)))


def render(tables: Tables, format: Format, width: int) -> RenderableType:
    """The tables in one format: something that rich prints for "table", text for the others.

    `width` is that of the terminal, in columns.
    """
    if format == "table":
        return rich_table(tables.comparisons, width)
    return {"markdown": markdown, "latex": latex, "csv": csv_text}[format](tables.comparisons)


def _compare(
    records: Sequence[ResultRecord], store: ResultStore, base: str | None, metrics: Sequence[str] | None
) -> list[Comparison]:
    cards = {task: TASKS.get(task).card for task in {record.task for record in records}}
    names = None if metrics is None else _with_sparsity(metrics, cards)
    return compare_records(records, store, cards.__getitem__, base=base, metrics=names)


def _with_sparsity(metrics: Sequence[str], cards: Mapping[str, Card]) -> list[str]:
    known = {metric.name for card in cards.values() for metric in card.metrics}
    for name in metrics:
        if name not in known:
            raise UnknownName("metric", name, near_misses(name, dict.fromkeys(known)), sorted(known))
    return list(dict.fromkeys([SPARSITY, *metrics] if SPARSITY in known else metrics))


def _is_results_folder(path: Path) -> bool:
    return path.is_dir() and any(path.glob("*/*@*/*.json"))


def _names(record: ResultRecord) -> tuple[str, str]:
    return record.subject.name, record.subject.spec


def _same(wanted: str, name: str) -> bool:
    return wanted == name or (bool(Path(wanted).exists()) and Path(wanted).resolve() == Path(name).resolve())


def _named(records: Sequence[ResultRecord], wanted: Sequence[str]) -> list[ResultRecord]:
    chosen = []
    for one in wanted:
        found = [record for record in records if any(_same(one, name) for name in _names(record))]
        if not found:
            _unknown(one, records)
        chosen += found
    return chosen


def _name_of(base: str | None, records: Sequence[ResultRecord]) -> str | None:
    """The name in tables of the base that a user gave by name, spec or path."""
    if base is None or base in {record.subject.name for record in records}:
        return base
    found = next((r.subject.name for r in records if any(_same(base, name) for name in _names(r))), None)
    if found is None:
        _unknown(base, records)
    return found


def _unknown(name: str, records: Sequence[ResultRecord]) -> Never:
    known = sorted({record.subject.name for record in records})
    raise UnknownName("subject", name, near_misses(name, dict.fromkeys(known)), known)
