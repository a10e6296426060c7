"""What `saebench compare` shows: chooses results, compares them, and renders the tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from saebench.errors import ResultsError, UnknownName, UsageError
from saebench.registry import near_misses
from saebench.report.aggregate_table import aggregate_table
from saebench.report.choosing import find, is_results_folder
from saebench.report.exports import csv_text, frame, json_value
from saebench.report.formats import latex, markdown
from saebench.report.table import Table, tables_of
from saebench.report.terminal import rich_tables
from saebench.results.aggregates import Aggregate, aggregate_records
from saebench.results.architectures import compare_architectures
from saebench.results.comparison import compare_records
from saebench.results.folders import ResultFolders
from saebench.results.frame import Results
from saebench.results.schema import ResultRecord
from saebench.results.sparsity import SPARSITY, Sparsity
from saebench.results.standings import Comparison
from saebench.results.store import ResultStore
from saebench.tasks import TASKS
from saebench.tasks.contract import Card

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

Format = Literal["table", "markdown", "latex", "csv"]
By = Literal["subject", "architecture"]


@dataclass(frozen=True)
class Tables:
    """Comparisons, ready to be rendered."""

    comparisons: tuple[Comparison, ...]
    """One for each scope and metric."""
    aggregates: tuple[Aggregate, ...] = ()
    """Where they were asked for: one for each model, site and kind of subject."""
    expand: bool = False

    @property
    def tables(self) -> list[Table]:
        """Aggregates first, then one table for each scope."""
        return [*(aggregate_table(one, expand=self.expand) for one in self.aggregates), *tables_of(self.comparisons)]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row a subject and metric, aggregates included as the metric "aggregate"."""
        return frame([*(one.comparison for one in self.aggregates), *self.comparisons])

    def to_json(self) -> list[dict[str, Any]]:
        """One object for each aggregate and scope."""
        return json_value(tables_of(self.comparisons), self.aggregates)

    def to_markdown(self) -> str:
        """Pipe tables."""
        return markdown(self.tables)

    def to_latex(self) -> str:
        """Tables for the package `booktabs`."""
        return latex(self.tables)

    def to_csv(self) -> str:
        """One line a subject."""
        return csv_text(self.tables)

    def __str__(self) -> str:
        return self.to_markdown()

    def __iter__(self) -> Iterator[Comparison]:
        return iter(self.comparisons)

    def __len__(self) -> int:
        return len(self.comparisons)


def compare_results(
    results: Results,
    *,
    base: str | None = None,
    task: str | None = None,
    suite: str | None = None,
    metrics: Sequence[str] | None = None,
    by: By = "subject",
    aggregate: bool = False,
    expand: bool = False,
    sparsity: Sparsity | None = None,
) -> Tables:
    """Compare some results.

    Args:
        results: those that are compared.
        base: subject, or architecture, that differences are taken to; None: no differences.
        task: `id@version`; None: every task.
        suite: by name, with or without its version ("quick", "quick-v1"); None: every suite.
        metrics: names of metrics; None: the headline of each task's card. L0 is added to them where a task has it.
        by: what is a row. Architectures are pooled over training seeds and L0.
        aggregate: whether aggregates over tasks come first.
        expand: whether they come with their parts beside them.
        sparsity: L0 of subjects; None: what the results say.

    Raises:
        UnknownName: the base, a metric, a task or the suite is not known.
        UsageError: aggregates of architectures were asked for.
        ResultsError: there is nothing to compare.
    """
    if task is not None:
        TASKS.get(task)
    records = [record for record in _of_suite(results.records, suite) if task in (None, record.task)]
    if not records:
        of_task = f" of {task}" if task else ""
        raise ResultsError(
            f"holds no results{of_task}", file=_places(results.store), remedy="'saebench run' makes some"
        )
    cards = {name: TASKS.get(name).card for name in {record.task for record in records}}
    names = None if metrics is None else _with_sparsity(metrics, cards)
    known = sparsity or Sparsity(results.records)
    aggregates: list[Aggregate] = []
    if aggregate or expand:
        if by == "architecture":
            raise UsageError("an aggregate has subjects as its rows: leave out --by architecture, or --aggregate")
        aggregates = aggregate_records(records, results.store, cards.__getitem__, base=base, sparsity=known)
    compare = compare_architectures if by == "architecture" else compare_records
    found = compare(records, results.store, cards.__getitem__, base=base, metrics=names, sparsity=known)
    return Tables(tuple(found), tuple(aggregates), expand)


def compare_folders(
    subjects: Sequence[str],
    out: Path,
    *,
    base: str | None = None,
    task: str | None = None,
    suite: str | None = None,
    metrics: Sequence[str] | None = None,
    by: By = "subject",
    aggregate: bool = False,
    expand: bool = False,
) -> Tables:
    """Compare what the command line names.

    Args:
        subjects: results folders, all of which is compared, and names, specifications or paths of subjects, which are
            looked up in `out`; none: all of `out`. With folders alone `out` is not read.
        out: results folder in which subjects are looked up.
        base: as in `compare_results`; a subject by name, specification or path, which is compared as well.
        task, suite, metrics, by, aggregate, expand: as in `compare_results`.

    Raises:
        UnknownName: a subject, the base, a metric, the task or the suite is not known.
        UsageError: aggregates of architectures were asked for.
        ResultsError: a folder holds no results, or damaged ones.
    """
    folders = [Path(one) for one in subjects if is_results_folder(Path(one))]
    named = [one for one in subjects if not is_results_folder(Path(one))]
    store = ResultFolders([*folders, *([out] if named or not folders else [])])
    records = list(store.all())
    if not records:
        raise ResultsError("holds no results", file=_places(store), remedy="'saebench run' makes some")
    chosen = {record.id for record in records}
    if named:
        here = {record.id for record in store.stores[-1].all()}
        elsewhere = {record.id for one in store.stores[:-1] for record in one.all()}
        own = [record for record in records if record.id in here]
        chosen = elsewhere | {record.id for one in named for record in find(one, own)}
    if base is not None and by == "subject":
        beside = find(base, records)
        chosen |= {record.id for record in beside}
        base = beside[0].subject.name
    results = Results.of([record for record in records if record.id in chosen], store)
    return compare_results(
        results,
        base=base,
        task=task,
        suite=suite,
        metrics=metrics,
        by=by,
        aggregate=aggregate,
        expand=expand,
        sparsity=Sparsity(records),
    )


def render(tables: Tables, format: Format, width: int) -> RenderableType:
    """The tables in one format: something that rich prints for "table", text for the others.

    `width` is that of the terminal, in columns.
    """
    if format == "table":
        return rich_tables(tables.tables, width)
    return {"markdown": tables.to_markdown, "latex": tables.to_latex, "csv": tables.to_csv}[format]()


def _of_suite(records: Sequence[ResultRecord], suite: str | None) -> list[ResultRecord]:
    found = [record for record in records if suite in (None, record.suite, record.suite.rpartition("-v")[0])]
    if not found and suite is not None:
        known = sorted({record.suite for record in records})
        raise UnknownName("suite", suite, near_misses(suite, dict.fromkeys(known)), known)
    return found


def _with_sparsity(metrics: Sequence[str], cards: Mapping[str, Card]) -> list[str]:
    known = {metric.name for card in cards.values() for metric in card.metrics}
    for name in metrics:
        if name not in known:
            raise UnknownName("metric", name, near_misses(name, dict.fromkeys(known)), sorted(known))
    return list(dict.fromkeys([SPARSITY, *metrics] if SPARSITY in known else metrics))


def _places(store: ResultStore) -> str:
    stores = store.stores if isinstance(store, ResultFolders) else (store,)
    return ", ".join(str(one.root) for one in stores)
