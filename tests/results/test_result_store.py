"""Results on disk."""

import errno
import json
import multiprocessing
import os
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from result_examples import CARD, record_of, scores_of, write_example

from saebench.errors import ResultsError, StorageError
from saebench.results import atomic
from saebench.results.identity import result_id
from saebench.results.migrations import MIGRATIONS
from saebench.results.schema import SCHEMA_VERSION
from saebench.results.store import ResultStore, slug


@pytest.fixture
def store(tmp_path):
    return ResultStore(tmp_path / "results")


def edit(path, change):
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))


def test_a_result_comes_back_as_it_was_written(store):
    scores = scores_of(0.7)
    written = store.write(record_of("my sae", scores), scores.tables)
    assert store.path(written) == store.root / "my-sae" / "toy@1" / f"{written.id}.json"
    assert store.find(written.id) == written
    assert store.read(written.id) == written
    assert list(store.all()) == [written]
    tables = store.items(written)
    assert set(tables) == {"documents", "latents"}
    for name, table in scores.tables.items():
        assert (tables[name].items, tables[name].clusters) == (table.items, table.clusters)
        for column in table.columns:
            np.testing.assert_array_equal(tables[name].columns[column], table.columns[column])


def test_the_same_result_gives_the_same_bytes(tmp_path):
    folders = [ResultStore(tmp_path / name) for name in "ab"]
    paths = [store.path(write_example(store, "x", 0.5)) for store in folders]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    items = [path.with_name(f"{path.stem}.items.parquet").read_bytes() for path in paths]
    assert items[0] == items[1]


def test_what_is_not_there(store):
    assert store.find("0" * 32) is None
    with pytest.raises(ResultsError, match="no result"):
        store.read("0" * 32)
    with pytest.raises(ResultsError, match="no such results folder"):
        list(store.all())


def test_the_id_ignores_a_batch_size_that_is_not_given_and_nothing_else():
    identity = record_of("x", scores_of(0.5)).identity
    base = result_id(identity)
    assert len(base) == 32
    changes = {
        "subject": "other", "task": "toy@2", "metrics": "m", "params": {"tokens": 1}, "data": {}, "site": None,
        "packing": {}, "mask_rule": None, "tokenizer": None, "lm": None, "eval_seed": 1, "dtype": "bfloat16",
        "batch_size": 8,
    }  # fmt: skip
    assert set(changes) == set(type(identity).model_fields)
    ids = {result_id(identity.model_copy(update={field: value})) for field, value in changes.items()}
    assert len(ids | {base}) == len(changes) + 1
    shuffled = identity.model_copy(update={"params": dict(reversed(identity.params.items()))})
    assert result_id(shuffled) == base


def test_rewriting_replaces_and_removes_what_a_killed_writer_left(store):
    first = write_example(store, "x", 0.5)
    path = store.path(first)
    left = path.with_name(f".{path.name}.123-abc{atomic.PART}")
    left.write_bytes(b"{half")
    assert list(store.all()) == [first]
    assert write_example(store, "x", 0.5) == first
    assert sorted(file.name for file in path.parent.iterdir()) == [f"{first.id}.items.parquet", f"{first.id}.json"]


def test_a_result_under_another_name_of_its_subject_replaces_the_first(store):
    first = write_example(store, "one", 0.5)
    tables = store.items(first)
    store.write(first.model_copy(update={"subject": first.subject.model_copy(update={"name": "two"})}), tables)
    assert [record.subject.name for record in store.all()] == ["two"]
    assert store.items(store.read(first.id)).keys() == tables.keys()
    assert len(list(store.root.rglob("*.parquet"))) == 1


def test_items_without_their_json_do_not_count(store):
    first = write_example(store, "x", 0.5)
    store.path(first).unlink()
    assert store.find(first.id) is None
    assert list(store.all()) == []


def write_for_ever(folder, started):
    store = ResultStore(folder)
    while True:
        write_example(store, "x", 0.5)
        started.set()


def test_a_writer_killed_at_any_moment_leaves_a_whole_result_or_none(store):
    for pause in (0.0, 0.003, 0.007, 0.012):
        started = multiprocessing.get_context("fork").Event()
        process = multiprocessing.get_context("fork").Process(target=write_for_ever, args=(store.root, started))
        process.start()
        assert started.wait(60)
        time.sleep(pause)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        for record in store.all():
            assert set(store.items(record)) == {"documents", "latents"}
    assert write_example(store, "x", 0.5) == next(iter(store.all()))


def write_some(folder, quality):
    store = ResultStore(folder)
    for _ in range(5):
        write_example(store, "x", quality)


def test_two_processes_that_write_the_same_unit_leave_one_valid_file(store):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=write_some, args=(store.root, quality)) for quality in (0.5, 0.6)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    (record,) = store.all()
    assert store.items(record)
    assert [path.name for path in (store.root / "x" / "toy@1").glob("*.json")] == [f"{record.id}.json"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.update(schema_version=SCHEMA_VERSION + 1), "upgrade saebench"),
        (lambda raw: raw.pop("schema_version"), "no schema version"),
        (lambda raw: raw.pop("task"), "task: Field required"),
        (lambda raw: raw.update(surprise=1), "surprise: Extra inputs"),
        (lambda raw: raw["metrics"]["quality"].update(value=None), "metrics.quality"),
        (lambda raw: raw["identity"].update(eval_seed=9), "id is not the hash of the identity"),
        (lambda raw: raw["items"].update(sha256="0" * 64), "items.sha256"),
        (lambda raw: raw["items"].update(file="../../secret"), "items.file"),
        (lambda raw: raw["items"].update(file="gone.parquet"), "gone.parquet"),
    ],
)
def test_a_damaged_result_is_refused_with_file_field_and_remedy(store, change, message):
    path = store.path(write_example(store, "x", 0.5))
    edit(path, change)
    with pytest.raises(ResultsError) as caught:
        list(store.all())
    assert message in str(caught.value)
    assert "x" in str(caught.value.file)
    assert caught.value.remedy


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": NaN}', "\x00\xff"])
def test_what_is_not_a_json_object_is_refused(store, text):
    path = store.path(write_example(store, "x", 0.5))
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ResultsError, match="delete it"):
        store.find(path.stem)


def test_a_cut_item_file_is_noticed(store):
    record = write_example(store, "x", 0.5)
    file = store.path(record).with_name(record.items.file)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ResultsError, match=r"items\.sha256"):
        store.find(record.id)


def test_a_result_under_another_id_is_refused(store):
    path = store.path(write_example(store, "x", 0.5))
    path.rename(path.with_name("f" * 32 + ".json"))
    with pytest.raises(ResultsError, match="file name"):
        store.find("f" * 32)


def test_an_older_schema_is_migrated_step_by_step(store, monkeypatch):
    path = store.path(write_example(store, "x", 0.5))
    monkeypatch.setattr("saebench.results.migrations.SCHEMA_VERSION", 3)
    monkeypatch.setitem(MIGRATIONS, 1, lambda raw: {**raw, "suite": raw["suite"] + " one"})
    monkeypatch.setitem(MIGRATIONS, 2, lambda raw: {**raw, "suite": raw["suite"] + " two"})
    assert store.load(path).suite == "quick-v1 one two"
    assert store.load(path).schema_version == 3


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), np.int64(3), {1, 2}])
def test_a_value_without_a_json_form_is_refused_before_anything_is_written(store, value):
    scores = replace(scores_of(0.5), details={"nested": [{"bad": value}]})
    with pytest.raises(ResultsError, match="no JSON form"):
        store.write(record_of("x", scores), scores.tables)
    assert not store.root.exists()


def test_a_full_disk_is_a_storage_error_and_loses_nothing(store, monkeypatch):
    kept = write_example(store, "kept", 0.5)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(StorageError, match="free some space"):
        write_example(store, "x", 0.5)
    monkeypatch.undo()
    assert list(store.all()) == [kept]
    assert not list(store.root.rglob(f".*{atomic.PART}"))


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        write_example(ResultStore(tmp_path / "file"), "x", 0.5)


@given(st.text(max_size=200))
def test_a_slug_is_a_folder_name_everywhere(name):
    made = slug(name)
    assert 0 < len(made) <= 81
    assert made.isascii()
    assert not set(made) & set('<>:"/\\|?* \n\0')
    assert made[-1] not in ". "
    assert made[0] != "."
    assert slug(made) == made or made.endswith("_")


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("baseline:pca?l0=32", "baseline-pca-l0=32"), ("../../etc", "etc"), ("con", "con_"), ("NUL.txt", "NUL.txt_"),
        ("", "_"), ("Ünïcode", "n-code"), (CARD.name, "toy@1"),
    ],
)  # fmt: skip
def test_slugs(name, made):
    assert slug(name) == made
