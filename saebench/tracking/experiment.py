"""One experiment in MLflow: the runs that it has, and how results are sent to it.

A result's run is complete once it carries the tag `saebench.result_sha256`, which is written last. A subject's metrics
are logged before its results' runs are completed: what a killed sync leaves is sent again, and a point that is sent
twice stays one point.

Several drivers may send to one server at once, each from a results folder of its own. MLflow has no unique key for
runs, so each driver creates the subjects' runs that it misses, waits until the others' can be seen, and all keep the
one with the smallest id; of complete runs of one result with one hash, the smallest id is kept as well. Incomplete
runs of other drivers are left alone.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from saebench.errors import UsageError
from saebench.fingerprint import digest
from saebench.progress import Bar
from saebench.results.schema import ResultRecord
from saebench.results.store import ResultStore
from saebench.tracking import entries

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PAGE = 1000
MOST_POINTS = 1000
MOST_PARAMS = 100
"""Metrics and parameters that MLflow takes in one batch."""
MOST_RACES = 5
"""Rows that a call may find written by others before it gives up."""
SHA256_TAG = "saebench.result_sha256"
SUPERSEDED_TAG = "saebench.superseded_by"
SENDER_TAG = "saebench.sender"
PARENT_TAG = "mlflow.parentRunId"


class Experiment:
    """One experiment, created where it is missing.

    Args:
        client: of the tracking server or database.
        name: of the experiment.
        location: where artifacts go, when it is created; None: where the server puts them.
        store: the results.
        settle_seconds: how long to wait for the runs that other drivers are creating at the same moment.

    Raises:
        UsageError: the experiment was deleted.
    """

    def __init__(
        self, client: MlflowClient, name: str, location: str | None, store: ResultStore, settle_seconds: float
    ) -> None:
        self._client, self._store, self._settle_seconds = client, store, settle_seconds
        self._sender = digest([socket.gethostname(), str(store.root.resolve())])
        self._id = _experiment_id(client, name, location)
        self._subjects: dict[str, Run] = {}
        self._results: dict[str, list[Run]] = {}
        self._read()

    def send(self, records: Sequence[ResultRecord], bar: Bar) -> tuple[int, int]:
        """Send the results that are not there: how many were, and how many older runs they supersede."""
        missing = sorted((one for one in records if not self._is_there(one)), key=_order)
        bar.advance(len(records) - len(missing))
        self._make_subjects(missing)
        superseded = 0
        for key, group in groupby(missing, key=entries.subject_key):
            own, parent = list(group), self._subjects[key].info.run_id
            self._log(parent, {}, [point for record in own for point in entries.points(record)])
            for record in own:
                superseded += self._send_result(record, parent)
                bar.advance()
        if missing:
            self._read()
            self._drop_twins({record.id for record in missing})
        return len(missing), superseded

    def _read(self) -> None:
        """What is there. What a killed sync of the same results left incomplete is deleted."""
        self._subjects.clear()
        self._results.clear()
        complete: dict[str, Run] = {}
        for run in self._search("tags.`saebench.kind` LIKE '%'"):
            tags, id = run.data.tags, run.info.run_id
            if tags["saebench.kind"] == "subject":
                key = tags["saebench.subject_key"]
                self._subjects[key] = _chosen([run, self._subjects.get(key, run)])
            elif SHA256_TAG in tags:
                complete[id] = run
            elif tags.get(SENDER_TAG) == self._sender:
                self._client.delete_run(id)
        for run in complete.values():
            if run.data.tags.get(SUPERSEDED_TAG) not in complete:
                self._results.setdefault(run.data.tags["saebench.result_id"], []).append(run)

    def _search(self, filter: str) -> Iterable[Run]:
        token: str | None = None
        while True:
            page = self._client.search_runs([self._id], filter, max_results=PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _is_there(self, record: ResultRecord) -> bool:
        sha256 = entries.result_sha256(record)
        return any(run.data.tags[SHA256_TAG] == sha256 for run in self._results.get(record.id, ()))

    def _make_subjects(self, records: Sequence[ResultRecord]) -> None:
        """A finished run for each subject, agreed on with other drivers."""
        first: dict[str, ResultRecord] = {}
        for record in records:
            first.setdefault(entries.subject_key(record), record)
        made: dict[str, str] = {}
        for key, record in first.items():
            if key not in self._subjects:
                found = self._subject_runs(key)
                if not found:
                    found = [self._make_subject(record)]
                    made[key] = found[0].info.run_id
                self._subjects[key] = _chosen(found)
        if made:
            time.sleep(self._settle_seconds)
        for key, own in made.items():
            self._subjects[key] = _chosen(self._subject_runs(key))
            if self._subjects[key].info.run_id != own:
                self._client.delete_run(own)
        for key, record in first.items():
            self._finish_subject(self._subjects[key], record)

    def _subject_runs(self, key: str) -> list[Run]:
        return list(self._search(f"tags.`saebench.subject_key` = '{key}'"))

    def _make_subject(self, record: ResultRecord) -> Run:
        return self._client.create_run(
            self._id,
            start_time=entries.milliseconds(record.provenance.started),
            tags=entries.subject_tags(record),
            run_name=record.subject.name,
        )

    def _finish_subject(self, run: Run, record: ResultRecord) -> None:
        """Its parameters, which MLflow takes once, unless they are there."""
        if run.info.status == "RUNNING":
            params = {key: value for key, value in entries.subject_params(record).items() if key not in run.data.params}
            self._log(run.info.run_id, params, [])
            self._client.set_terminated(run.info.run_id, end_time=entries.milliseconds(record.provenance.finished))

    def _send_result(self, record: ResultRecord, parent: str) -> int:
        """Create and complete one result's run; how many older ones it supersedes."""
        run = self._client.create_run(
            self._id,
            start_time=entries.milliseconds(record.provenance.started),
            tags={**entries.result_tags(record), SENDER_TAG: self._sender, PARENT_TAG: parent},
            run_name=f"{record.task} seed {record.eval_seed}",
        )
        id: str = run.info.run_id
        path = self._store.locate(record)
        self._client.log_text(id, path.read_text(encoding="utf-8"), "result.json")
        if record.items is not None:
            self._client.log_artifact(id, str(path.with_name(record.items.file)))
        _despite_others(partial(self._client.log_inputs, id, datasets=entries.datasets(record)))
        self._client.set_terminated(id, end_time=entries.milliseconds(record.provenance.finished))
        older = self._results.get(record.id, [])
        for one in older:
            self._client.set_tag(one.info.run_id, SUPERSEDED_TAG, id)
        points = [*entries.points(record), *entries.cost_points(record)]
        self._log(id, entries.result_params(record), points, {SHA256_TAG: entries.result_sha256(record)})
        return len(older)

    def _log(
        self, id: str, params: dict[str, str], points: Sequence[entries.Point], tags: dict[str, str] | None = None
    ) -> None:
        """In as few batches as MLflow allows; tags go with the last."""
        from mlflow.entities import Metric, Param, RunTag

        metrics = [Metric(point.name, point.value, point.milliseconds, point.step) for point in points]
        settings = [Param(name, value) for name, value in params.items()]
        rounds = max(1, -(-len(metrics) // MOST_POINTS), -(-len(settings) // MOST_PARAMS))
        for turn in range(rounds):
            last = [RunTag(name, value) for name, value in (tags or {}).items()] if turn == rounds - 1 else []
            part = metrics[turn * MOST_POINTS : (turn + 1) * MOST_POINTS]
            some = settings[turn * MOST_PARAMS : (turn + 1) * MOST_PARAMS]
            _despite_others(partial(self._client.log_batch, id, metrics=part, params=some, tags=last))

    def _drop_twins(self, ids: Iterable[str]) -> None:
        """Of complete runs of one result and hash, that of the smallest id is kept: two drivers had sent the same."""
        for id in ids:
            kept: dict[str, str] = {}
            for run in sorted(self._results.get(id, ()), key=lambda run: str(run.info.run_id)):
                own = run.info.run_id
                if kept.setdefault(run.data.tags[SHA256_TAG], own) != own:
                    self._client.delete_run(own)


def _despite_others(call: Callable[[], None]) -> None:
    """Call again where MLflow fails because another driver has written the same row at the same moment."""
    from mlflow.exceptions import MlflowException

    for _ in range(MOST_RACES):
        try:
            return call()
        except MlflowException as error:
            if "IntegrityError" not in str(error):
                raise
    return call()


def _chosen(runs: Sequence[Run]) -> Run:
    """The run that every driver chooses: MLflow does not say which was first, so that of the smallest id."""
    return min(runs, key=lambda run: str(run.info.run_id))


def _order(record: ResultRecord) -> tuple[str, str, str, int, str]:
    return record.subject.name, entries.subject_key(record), record.task, record.eval_seed, record.id


def _experiment_id(client: MlflowClient, name: str, location: str | None) -> str:
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            experiment = client.get_experiment_by_name(name)
    if experiment.lifecycle_stage != "active":
        raise UsageError(
            f"experiment '{name}' was deleted in MLflow: bring it back with "
            f"'mlflow experiments restore -x {experiment.experiment_id}', or purge it with 'mlflow gc'"
        )
    return str(experiment.experiment_id)
