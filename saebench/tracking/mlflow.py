"""Results to MLflow. Results files are the truth; MLflow is a sink that can be filled again at any time.

::

    experiment   suite and version        saebench/quick-v1
    └── run      subject at a site        parameters; the metrics of all its results, step = eval_seed
        └── run  result (a task)          parameters, metrics, tags, result.json, item scores, data sets

A result's run is complete once it carries the tag `saebench.result_sha256`, which is written last. A sync skips
results whose hash is there already, deletes runs that a killed sync left incomplete, and sends a result that has
changed as a new run; the old one gets the tag `saebench.superseded_by`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from saebench.errors import UsageError
from saebench.results.locking import locked
from saebench.results.schema import ResultRecord
from saebench.results.store import ResultStore
from saebench.tracking import entries
from saebench.tracking.connection import check_uri, connected, default_uri, is_server, shown

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run

PAGE = 1000
BATCH = 100
"""Parameters that MLflow takes at a time; metrics could be more."""
SHA256_TAG = "saebench.result_sha256"
SUPERSEDED_TAG = "saebench.superseded_by"
PARENT_TAG = "mlflow.parentRunId"


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


def sync(results: Path | str, uri: str | None = None, *, only: Iterable[ResultRecord] | None = None) -> SyncReport:
    """Send the results of a folder; a second time changes nothing.

    Args:
        results: results folder.
        uri: tracking URI of a database or server; None: `mlflow.db` in the folder, artifacts in `mlartifacts`.
        only: the results to send; None: all of the folder.

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
    sent = []
    with locked(store.root, ".mlflow.lock", seconds=600), connected(target, store.root) as client:
        for name, records in sorted(by_experiment.items()):
            location = None if is_server(target) else (store.root / "mlartifacts").resolve().as_uri()
            experiment = _Experiment(client, name, location, store)
            sent += [experiment.send(record) for record in sorted(records, key=_order)]
    created = [superseded for superseded in sent if superseded is not None]
    return SyncReport(len(created), len(sent) - len(created), sum(created), shown(target))


def _order(record: ResultRecord) -> tuple[str, str, int, str]:
    return record.subject.name, record.task, record.eval_seed, record.id


class _Experiment:
    """One experiment and the runs that it has."""

    def __init__(self, client: MlflowClient, name: str, location: str | None, store: ResultStore) -> None:
        self._client, self._store = client, store
        self._id = _experiment_id(client, name, location)
        self._subjects: dict[str, str] = {}
        self._results: dict[str, list[Run]] = {}
        for run in _all_runs(client, self._id):
            tags = run.data.tags
            if tags.get("saebench.kind") == "subject":
                self._subjects[tags["saebench.subject_key"]] = run.info.run_id
            elif SUPERSEDED_TAG not in tags:
                self._results.setdefault(tags["saebench.result_id"], []).append(run)

    def send(self, record: ResultRecord) -> int | None:
        """Send a result unless it is there: how many older runs it supersedes, or None where it was skipped."""
        sha256 = entries.result_sha256(record)
        older = []
        for run in self._results.get(record.id, []):
            found = run.data.tags.get(SHA256_TAG)
            if found == sha256:
                return None
            if found is None:
                self._client.delete_run(run.info.run_id)
            else:
                older.append(run)
        parent = self._subject_run(record)
        child = self._result_run(record, parent)
        self._log(parent, {}, entries.metric_values(record), record)
        for run in older:
            self._client.set_tag(run.info.run_id, SUPERSEDED_TAG, child)
        self._client.set_tag(child, SHA256_TAG, sha256)
        return len(older)

    def _subject_run(self, record: ResultRecord) -> str:
        key = entries.subject_key(record)
        if key not in self._subjects:
            run = self._client.create_run(
                self._id,
                start_time=entries.milliseconds(record.provenance.started),
                tags=entries.subject_tags(record),
                run_name=record.subject.name,
            )
            self._log(run.info.run_id, entries.subject_params(record), {}, record)
            self._client.set_terminated(run.info.run_id, end_time=entries.milliseconds(record.provenance.finished))
            self._subjects[key] = run.info.run_id
        return self._subjects[key]

    def _result_run(self, record: ResultRecord, parent: str) -> str:
        run = self._client.create_run(
            self._id,
            start_time=entries.milliseconds(record.provenance.started),
            tags={**entries.result_tags(record), PARENT_TAG: parent},
            run_name=f"{record.task} seed {record.eval_seed}",
        )
        child: str = run.info.run_id
        values = {**entries.metric_values(record), **entries.cost_values(record)}
        self._log(child, entries.result_params(record), values, record)
        self._client.log_inputs(child, datasets=_datasets(record))
        path = self._store.locate(record)
        self._client.log_text(child, path.read_text(encoding="utf-8"), "result.json")
        if record.items is not None:
            self._client.log_artifact(child, str(path.with_name(record.items.file)))
        self._client.set_terminated(child, end_time=entries.milliseconds(record.provenance.finished))
        return child

    def _log(self, run_id: str, params: dict[str, str], metrics: dict[str, float], record: ResultRecord) -> None:
        """Metrics are points at the time when the result was finished: a point that is sent twice stays one point."""
        from mlflow.entities import Metric, Param

        finished = entries.milliseconds(record.provenance.finished)
        points = [Metric(name, value, finished, record.eval_seed) for name, value in metrics.items()]
        settings = [Param(name, value) for name, value in params.items()]
        for start in range(0, max(len(points), len(settings)), BATCH):
            part = slice(start, start + BATCH)
            self._client.log_batch(run_id, metrics=points[part], params=settings[part])


def _experiment_id(client: MlflowClient, name: str, location: str | None) -> str:
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return str(client.create_experiment(name, artifact_location=location))
    if experiment.lifecycle_stage != "active":
        raise UsageError(
            f"experiment '{name}' was deleted in MLflow: bring it back with "
            f"'mlflow experiments restore -x {experiment.experiment_id}', or purge it with 'mlflow gc'"
        )
    return str(experiment.experiment_id)


def _all_runs(client: MlflowClient, experiment_id: str) -> Iterable[Run]:
    token: str | None = None
    while True:
        page = client.search_runs([experiment_id], "tags.`saebench.kind` LIKE '%'", max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _datasets(record: ResultRecord) -> list[DatasetInput]:
    """Lineage without data: name, digest, licence and size of each part."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = []
    for part in record.data:
        facts = {"part": part.part, "licence": part.licence, "documents": part.documents, "tokens": part.tokens}
        dataset = Dataset(
            name=part.name,
            digest=part.fingerprint[: entries.LONGEST_DIGEST],
            source_type="code",
            source=json.dumps({"tags": {"saebench.source": part.name}}),
            profile=json.dumps(facts),
        )
        inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", part.part)]))
    return inputs
