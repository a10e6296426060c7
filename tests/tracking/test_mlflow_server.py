"""Results in a real `mlflow server`: sent once, by several drivers at once, and whatever becomes of the server."""

from __future__ import annotations

import multiprocessing
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from mlflow_server import Server
from result_examples import record_of, scores_of, write_example

from saebench.errors import StorageError
from saebench.progress import Bar, Silent
from saebench.results.identity import result_id
from saebench.results.store import ResultStore
from saebench.tracking.mlflow import sync

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("server"))
    made.start()
    yield made
    made.kill()


def runs(server, experiment):
    """All active runs, by kind."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=server.uri)
    id = client.get_experiment_by_name(experiment).experiment_id
    page = client.search_runs([id], max_results=1000)
    found = list(page)
    while page.token:
        page = client.search_runs([id], max_results=1000, page_token=page.token)
        found += page
    return {kind: [run for run in found if run.data.tags["saebench.kind"] == kind] for kind in ("subject", "result")}


def nested(server, experiment, results, subjects):
    """Every result once, complete, below its subject's one run, which has all their values."""
    found = runs(server, experiment)
    assert len(found["subject"]) == subjects
    ids = Counter(run.data.tags["saebench.result_id"] for run in found["result"])
    assert len(ids) == results
    assert set(ids.values()) == {1}
    parents = {run.info.run_id: run for run in found["subject"]}
    for run in found["result"]:
        parent = parents[run.data.tags["mlflow.parentRunId"]]
        assert "saebench.result_sha256" in run.data.tags
        assert run.data.params["fingerprint"] == parent.data.params["fingerprint"]
        assert run.data.metrics.keys() - parent.data.metrics.keys() == {"cost/seconds"}
        assert (run.info.status, parent.info.status) == ("FINISHED", "FINISHED")


def test_results_are_sent_once_and_their_files_can_be_fetched(server, tmp_path):
    from mlflow import MlflowClient

    store = ResultStore(tmp_path / "results")
    records = [write_example(store, name, 0.6, eval_seed=seed, suite="once") for name in "ab" for seed in (0, 1)]
    assert sync(store.root, server.uri).created == 4
    nested(server, "saebench/once", results=4, subjects=2)
    again = sync(store.root, server.uri)
    assert (again.created, again.skipped, again.superseded) == (0, 4, 0)
    nested(server, "saebench/once", results=4, subjects=2)
    client = MlflowClient(tracking_uri=server.uri)
    fetched = set()
    for run in runs(server, "saebench/once")["result"]:
        for file in ("result.json", f"{run.data.tags['saebench.result_id']}.items.parquet"):
            fetched.add(Path(client.download_artifacts(run.info.run_id, file, str(tmp_path))).read_bytes())
    stored = {store.path(record).read_bytes() for record in records}
    stored |= {store.path(record).with_name(record.items.file).read_bytes() for record in records}
    assert fetched == stored


def drive(folder, uri, barrier, reports):
    """One driver in a process of its own, which starts when the others do."""
    import mlflow  # noqa: F401

    barrier.wait()
    report = sync(folder, uri)
    reports.put((report.created, report.skipped))


def test_two_drivers_at_once_share_experiment_and_subjects(server, tmp_path):
    """Each has results of its own and some that the other has as well."""
    folders = [tmp_path / "first", tmp_path / "second"]
    for place, folder in enumerate(folders):
        store = ResultStore(folder)
        for name in ("a", "b", "c"):
            write_example(store, name, 0.6, eval_seed=place, suite="shared")
            write_example(store, name, 0.6, eval_seed=2, suite="shared")
    spawn = multiprocessing.get_context("spawn")
    barrier, reports = spawn.Barrier(2), spawn.Queue()
    drivers = [spawn.Process(target=drive, args=(folder, server.uri, barrier, reports)) for folder in folders]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join(600)
    assert [driver.exitcode for driver in drivers] == [0, 0]
    assert {sum(reports.get(timeout=10)) for _ in drivers} == {6}
    nested(server, "saebench/shared", results=9, subjects=3)
    assert [sync(folder, server.uri).created for folder in folders] == [0, 0]


class Killing(Silent):
    """Kills the server once some results are through."""

    def __init__(self, server, after):
        self.server, self.left = server, after

    def bar(self, label, total, unit):
        watcher = self

        class Watching(Bar):
            def advance(self, amount=1, **fields):
                watcher.left -= amount
                if watcher.left == 0:
                    watcher.server.kill()

        return Watching()


def test_a_server_that_is_killed_in_the_middle_loses_no_result(server, tmp_path):
    store = ResultStore(tmp_path / "results")
    records = [write_example(store, name, 0.6, eval_seed=seed, suite="killed") for name in "abc" for seed in (0, 1)]
    before = {path: path.read_bytes() for path in store.root.rglob("*.json")}
    with pytest.raises(StorageError, match="results are safe"):
        sync(store.root, server.uri, progress=Killing(server, after=3))
    with pytest.raises(StorageError, match="results are safe"):
        sync(store.root, server.uri)
    assert {path: path.read_bytes() for path in store.root.rglob("*.json")} == before
    assert list(store.all()) == sorted(records, key=lambda record: str(store.path(record)))
    server.start()
    report = sync(store.root, server.uri)
    assert (report.created, report.skipped) == (3, 3)
    nested(server, "saebench/killed", results=6, subjects=3)


def test_a_lost_server_is_filled_again_from_the_results(server, tmp_path):
    store = ResultStore(tmp_path / "results")
    for name in "ab":
        write_example(store, name, 0.6, suite="lost")
    sync(store.root, server.uri)
    server.kill()
    for path in server.folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    server.start()
    assert sync(store.root, server.uri).created == 2
    nested(server, "saebench/lost", results=2, subjects=2)


def thousand(folder):
    """A thousand results of 200 subjects, with the scores of one."""
    store = ResultStore(folder)
    for seed in range(5):
        scores = scores_of(0.6, seed=seed)
        example = record_of("a", scores, eval_seed=seed, suite="thousand")
        for place in range(200):
            identity = example.identity.model_copy(update={"subject": f"fingerprint {place}"})
            subject = example.subject.model_copy(update={"name": f"sae {place}", "fingerprint": identity.subject})
            changes = {"id": result_id(identity), "identity": identity, "subject": subject}
            store.write(example.model_copy(update=changes), scores.tables)
    return store


def test_a_thousand_results(server, tmp_path, record_property):
    store = thousand(tmp_path / "results")
    started = time.monotonic()
    assert sync(store.root, server.uri).created == 1000
    sent = time.monotonic()
    assert sync(store.root, server.uri).skipped == 1000
    skipped = time.monotonic()
    record_property("seconds to send", round(sent - started, 1))
    record_property("seconds to find all there", round(skipped - sent, 1))
    sys.stderr.write(f"1000 results: sent in {sent - started:.0f} s, found there in {skipped - sent:.0f} s\n")
    nested(server, "saebench/thousand", results=1000, subjects=200)
