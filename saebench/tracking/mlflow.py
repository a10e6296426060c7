"""Results to MLflow. Results files are the truth; MLflow is a sink that can be filled again at any time.

::

    experiment   suite and version        saebench/quick-v1
    └── run      subject at a site        parameters; the metrics of all its results, step = eval_seed
        └── run  result (a task)          parameters, metrics, tags, result.json, item scores, data sets

A sync skips results whose hash is there already, deletes runs that a killed sync of the same folder left incomplete,
and sends a result that has changed as a new run; the old one gets the tag `saebench.superseded_by`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from saebench.progress import Progress, Silent
from saebench.results.locking import locked
from saebench.results.schema import ResultRecord
from saebench.results.store import ResultStore
from saebench.tracking import entries
from saebench.tracking.connection import check_uri, connected, default_uri, is_server, shown
from saebench.tracking.experiment import Experiment

SETTLE_SECONDS = 2.0
"""How long a driver waits for the runs that others are creating at the same moment, where there may be others."""
LONGEST_SYNC = 3600.0
"""Seconds that a sync waits for another one of the same folder."""


@dataclass(frozen=True)
class SyncReport:
    """What a sync did."""

    created: int
    """Results that were sent."""
    skipped: int
    """Results that were there already."""
    superseded: int
    """Older runs of results that have changed."""
    uri: str


def sync(
    results: Path | str,
    uri: str | None = None,
    *,
    only: Iterable[ResultRecord] | None = None,
    progress: Progress | None = None,
) -> SyncReport:
    """Send the results of a folder; a second time changes nothing.

    Args:
        results: results folder.
        uri: tracking URI of a database or server; None: `mlflow.db` in the folder, artifacts in `mlartifacts`.
        only: the results to send; None: all of the folder.
        progress: told of each result.

    Raises:
        UsageError: the URI cannot be used, or an experiment was deleted.
        ResultsError: a result is damaged.
        StorageError: the store cannot be reached or written. Results stay as they are.
    """
    store = ResultStore(results)
    target = default_uri(store.root) if uri is None else check_uri(uri)
    by_experiment: dict[str, list[ResultRecord]] = {}
    for record in store.all() if only is None else only:
        by_experiment.setdefault(entries.experiment_name(record), []).append(record)
    total = sum(len(records) for records in by_experiment.values())
    settle = 0.0 if target == default_uri(store.root) else SETTLE_SECONDS
    location = None if is_server(target) else (store.root / "mlartifacts").resolve().as_uri()
    created = superseded = 0
    with (
        locked(store.root, ".mlflow.lock", LONGEST_SYNC),
        connected(target, store.root) as client,
        (progress or Silent()).bar("mlflow", total, "result") as bar,
    ):
        for name, records in sorted(by_experiment.items()):
            sent, older = Experiment(client, name, location, store, settle).send(records, bar)
            created, superseded = created + sent, superseded + older
    return SyncReport(created, total - created, superseded, shown(target))
