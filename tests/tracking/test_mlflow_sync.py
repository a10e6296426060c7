"""Results in a real MLflow database."""

import json
import logging
import os
import subprocess
import sys

import pytest
from result_examples import record_of, scores_of, write_example

from saebench.errors import StorageError, UsageError
from saebench.tracking.connection import check_uri, connected, default_uri, shown
from saebench.tracking.entries import key
from saebench.tracking.mlflow import SyncReport, sync


@pytest.fixture
def client(store):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=default_uri(store.root))


def runs(client, kind, experiment="saebench/quick-v1"):
    found = client.search_runs(
        [client.get_experiment_by_name(experiment).experiment_id], f"tags.`saebench.kind` = '{kind}'"
    )
    return {run.info.run_name: run for run in found}


def every_run(client, experiment="saebench/quick-v1"):
    return list(client.search_runs([client.get_experiment_by_name(experiment).experiment_id]))


def counts(client):
    """Runs and points, of everything: what a repeated sync must not change."""
    experiment = client.get_experiment_by_name("saebench/quick-v1")
    found = client.search_runs([experiment.experiment_id], run_view_type=3)
    points = {
        (run.info.run_id, name): len(client.get_metric_history(run.info.run_id, name))
        for run in found
        for name in run.data.metrics
    }
    return len(found), points


def test_a_result_becomes_a_run_below_its_subjects_run(store, client):
    record = write_example(store, "topk a", 0.7)
    report = sync(store.root)
    assert report == SyncReport(1, 0, 0, default_uri(store.root))
    (subject,) = runs(client, "subject").values()
    (result,) = runs(client, "result").values()
    assert subject.info.run_name == "topk a"
    assert result.info.run_name == "toy@1 seed 0"
    assert result.data.tags["mlflow.parentRunId"] == subject.info.run_id
    assert (subject.info.status, result.info.status) == ("FINISHED", "FINISHED")
    assert result.info.end_time - result.info.start_time == 60_000

    value = record.metrics["quality"]
    for run in (subject, result):
        metrics = run.data.metrics
        assert metrics["toy-v1/quality"] == value.value
        assert (metrics["toy-v1/quality/low"], metrics["toy-v1/quality/high"]) == (value.low, value.high)
        assert metrics["toy-v1/quality/n"] == 40
        assert run.data.params["architecture"] == "topk"
        assert run.data.params["d_dict"] == "64"
        assert "role" not in run.data.params
    assert result.data.params["param/ratio"] == "0.5"
    assert result.data.params["data/eval"] == "data for seed 0"
    assert result.data.metrics["cost/seconds"] == 1.5
    assert "cost/seconds" not in subject.data.metrics
    tags = result.data.tags
    assert tags["saebench.result_id"] == record.id
    assert len(tags["saebench.result_sha256"]) == 64
    assert (tags["saebench.schema_version"], tags["saebench.version"]) == ("1", "0.1.0")
    assert "cpu" in tags["saebench.hardware"]


def test_artifacts_and_data_sets(store, client, tmp_path, monkeypatch):
    record = write_example(store, "a", 0.7)
    monkeypatch.chdir(tmp_path)
    sync(store.root)
    assert [path.name for path in tmp_path.iterdir()] == ["results"]
    (run,) = runs(client, "result").values()
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {"result.json", record.items.file}
    assert json.loads((store.root / "mlartifacts").rglob("result.json").__next__().read_text())["id"] == record.id
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, len(data.dataset.digest)) == ("toy prose", 36)
    assert {tag.key: tag.value for tag in data.tags} == {"mlflow.data.context": "eval"}


def test_a_second_sync_changes_nothing(store, client):
    for name in ("a", "b"):
        for seed in (0, 1):
            write_example(store, name, 0.6, eval_seed=seed)
    assert sync(store.root).created == 4
    before = counts(client)
    assert before[0] == 6
    assert sync(store.root) == SyncReport(0, 4, 0, default_uri(store.root))
    assert counts(client) == before


def test_seeds_are_steps_of_the_subjects_metrics(store, client):
    records = [write_example(store, "a", 0.6, eval_seed=seed) for seed in (0, 1, 2)]
    sync(store.root)
    (subject,) = runs(client, "subject").values()
    history = client.get_metric_history(subject.info.run_id, "toy-v1/quality")
    assert {point.step: point.value for point in history} == {
        record.eval_seed: record.metrics["quality"].value for record in records
    }


def test_a_changed_result_is_a_new_run_and_the_old_one_says_so(store, client):
    write_example(store, "a", 0.6)
    sync(store.root)
    (old,) = runs(client, "result").values()
    scores = scores_of(0.65)
    store.write(record_of("a", scores), scores.tables)
    assert sync(store.root) == SyncReport(1, 0, 1, default_uri(store.root))
    assert sync(store.root) == SyncReport(0, 1, 0, default_uri(store.root))
    experiment = client.get_experiment_by_name("saebench/quick-v1")
    found = client.search_runs([experiment.experiment_id], "tags.`saebench.kind` = 'result'")
    by_id = {run.info.run_id: run for run in found}
    assert len(by_id) == 2
    tag = by_id[old.info.run_id].data.tags["saebench.superseded_by"]
    assert tag in by_id
    assert tag != old.info.run_id
    assert len(runs(client, "subject")) == 1


STEPS = ("create_run", "log_batch", "log_text", "log_artifact", "log_inputs", "set_terminated", "search_runs")


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("turn", [1, 2])
def test_a_sync_that_is_killed_anywhere_is_finished_by_the_next_one(store, client, monkeypatch, step, turn):
    from mlflow import MlflowClient

    for name in ("a", "b"):
        write_example(store, name, 0.6)
    calls = []
    whole = getattr(MlflowClient, step)

    def killed(self, *rest, **named):
        calls.append(step)
        if len(calls) == turn:
            raise KeyboardInterrupt
        return whole(self, *rest, **named)

    monkeypatch.setattr(MlflowClient, step, killed)
    with pytest.raises(KeyboardInterrupt):
        sync(store.root)
    monkeypatch.undo()
    sync(store.root)
    found = every_run(client)
    kinds = [run.data.tags["saebench.kind"] for run in found]
    assert sorted(kinds) == ["result", "result", "subject", "subject"]
    for run in found:
        assert len(client.get_metric_history(run.info.run_id, "toy-v1/quality")) == 1
        assert run.data.params["architecture"] == "topk"
        assert run.info.status == "FINISHED"
        if run.data.tags["saebench.kind"] == "result":
            assert "saebench.result_sha256" in run.data.tags
            assert len(client.list_artifacts(run.info.run_id)) == 2
    assert sync(store.root).created == 0


@pytest.mark.parametrize("step", ["log_inputs", "log_batch"])
def test_a_row_that_another_driver_writes_at_the_same_moment_is_no_failure(store, client, monkeypatch, step):
    """MLflow 3.17 lets the database's error through, and finds the row the next time."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    write_example(store, "a", 0.6)
    whole, calls = getattr(MlflowClient, step), []

    def racing(self, *rest, **named):
        calls.append(step)
        if len(calls) % 2:
            raise MlflowException("(sqlite3.IntegrityError) UNIQUE constraint failed: datasets.experiment_id")
        return whole(self, *rest, **named)

    monkeypatch.setattr(MlflowClient, step, racing)
    assert sync(store.root).created == 1
    (run,) = runs(client, "result").values()
    assert len(run.inputs.dataset_inputs) == 1
    assert "toy-v1/quality" in run.data.metrics


def test_a_change_that_was_killed_on_the_way_still_supersedes(store, client, monkeypatch):
    from mlflow import MlflowClient

    write_example(store, "a", 0.6)
    sync(store.root)
    (old,) = runs(client, "result").values()
    scores = scores_of(0.65)
    store.write(record_of("a", scores), scores.tables)
    whole = MlflowClient.set_tag

    def killed(self, *rest, **named):
        whole(self, *rest, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(MlflowClient, "set_tag", killed)
    with pytest.raises(KeyboardInterrupt):
        sync(store.root)
    monkeypatch.undo()
    assert sync(store.root).superseded == 1
    alive = [run for run in every_run(client) if run.data.tags["saebench.kind"] == "result"]
    (new,) = [run for run in alive if run.info.run_id != old.info.run_id]
    (again,) = [run for run in alive if run.info.run_id == old.info.run_id]
    assert again.data.tags["saebench.superseded_by"] == new.info.run_id


def test_undefined_values_are_told_and_not_logged(store, client):
    write_example(store, "a", 0.6, documents=5)
    sync(store.root)
    (run,) = runs(client, "result").values()
    assert "toy-v1/quality" in run.data.metrics
    assert "toy-v1/quality/low" not in run.data.metrics
    assert "quality: 5 clusters" in run.data.tags["saebench.undefined"]


def test_only_some_results_and_one_experiment_for_each_suite(store, client):
    chosen = write_example(store, "a", 0.6)
    write_example(store, "b", 0.6)
    assert sync(store.root, only=[chosen]).created == 1
    assert set(runs(client, "subject")) == {"a"}
    write_example(store, "c", 0.6, suite="features-v2")
    assert sync(store.root).created == 2
    assert set(runs(client, "subject", "saebench/features-v2")) == {"c"}


def test_a_metric_of_a_strange_name_is_logged(store, client):
    scores = scores_of(0.6)
    record = record_of("a", scores)
    strange = {"acc@5 (top, +1)": record.metrics["quality"], "../up": record.metrics["quality"]}
    store.write(record.model_copy(update={"metrics": strange}), scores.tables)
    sync(store.root)
    (run,) = runs(client, "result").values()
    assert {name for name in run.data.metrics if name.endswith("/n")} == {"toy-v1/acc-v5 -top- -1-/n", "toy-v1/-up/n"}


def test_an_empty_folder_sends_nothing(store):
    assert sync(store.root).created == 0


def test_logs_are_quiet_and_settings_come_back(tmp_path, capfd):
    level = logging.getLogger("mlflow").level
    with connected(f"sqlite:///{tmp_path / 'new' / 'mlflow.db'}", tmp_path):
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "2"
    assert (tmp_path / "new" / "mlflow.db").exists()
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("mlflow").level == level
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


@pytest.mark.parametrize("uri", ["file:///tmp/mlruns", "./mlruns", "mlruns", "C:\\mlruns"])
def test_folders_are_refused(store, uri):
    with pytest.raises(UsageError, match=r"sqlite:////path/mlflow\.db"):
        sync(store.root, uri)


def test_an_unknown_scheme_is_refused():
    with pytest.raises(UsageError, match="no MLflow tracking URI"):
        check_uri("ftp://host/runs")


def test_a_server_that_is_not_there_leaves_results_and_says_what_to_do(store):
    record = write_example(store, "a", 0.6)
    with pytest.raises(StorageError, match="saebench mlflow sync") as caught:
        sync(store.root, "http://127.0.0.1:9")
    assert caught.value.file == "http://127.0.0.1:9"
    assert store.read(record.id) == record


def test_a_database_that_cannot_be_opened_is_one_clear_error(store):
    (store.root / "mlflow.db").write_bytes(b"this is no database, whatever its name may be" * 100)
    write_example(store, "a", 0.6)
    with pytest.raises(StorageError, match="results are safe"):
        sync(store.root)


def test_a_deleted_experiment_is_not_filled_behind_the_users_back(store, client):
    write_example(store, "a", 0.6)
    sync(store.root)
    client.delete_experiment(client.get_experiment_by_name("saebench/quick-v1").experiment_id)
    with pytest.raises(UsageError, match="experiments restore"):
        sync(store.root)


def test_passwords_are_not_shown():
    assert shown("postgresql://me:secret@host/db") == "postgresql://me:***@host/db"
    assert shown("sqlite:////a/b.db") == "sqlite:////a/b.db"


def test_keys_are_short_and_plain():
    assert key("reconstruction@1", "l0") == "reconstruction-v1/l0"
    assert len(key("x" * 400)) == 250


def test_the_module_loads_mlflow_only_when_it_syncs():
    code = "import sys, saebench.tracking.mlflow; sys.exit('mlflow' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
