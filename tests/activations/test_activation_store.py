import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from activation_scene import ENTRY, MLP, SITE, Counting, Table, counting_model, fresh_store, random_rows

from saebench.activations import manifest
from saebench.activations import shards as shards_module
from saebench.activations.leases import Lease, in_use
from saebench.activations.sets import ActivationSet
from saebench.activations.store import ActivationStore
from saebench.data.packing import PackedRows
from saebench.errors import DataError, StorageError, UnknownName, UsageError
from saebench.lm.fakes import tiny_model
from saebench.lm.model import LanguageModel


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """One batch of 4 rows a shard."""
    monkeypatch.setattr(manifest, "SHARD_TOKENS", 32)


def make(
    store: ActivationStore,
    lm: Counting,
    rows: PackedRows,
    *sites: str,
    store_dtype: torch.dtype = torch.float32,
    batch_rows: int = 4,
) -> dict[str, ActivationSet]:
    return store.sets(lm, rows, sites, store_dtype=store_dtype, batch_rows=batch_rows)  # type: ignore[arg-type]


def captured(lm: LanguageModel | Table, rows: PackedRows, site: str, batch_rows: int = 4) -> torch.Tensor:
    """What the model itself gives in the same batches."""
    tokens = torch.from_numpy(rows.tokens.astype(np.int64))
    with torch.no_grad():
        return torch.cat([lm.capture(part, [site])[site] for part in tokens.split(batch_rows)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_stored_values_are_the_models(tmp_path: Path, dtype: torch.dtype) -> None:
    rows = random_rows()
    lm = tiny_model()
    made = make(fresh_store(tmp_path), Counting(lm, tmp_path / "log"), rows, SITE, MLP, store_dtype=dtype)
    for site, data in made.items():
        assert data.dtype == dtype
        assert torch.equal(data.block(0, rows.n_rows), captured(lm, rows, site).to(dtype))
        assert np.array_equal(data.tokens, rows.tokens)
        assert np.array_equal(data.mask, rows.mask)
        assert np.array_equal(data.documents, rows.documents)


def test_several_sites_come_from_one_pass_and_a_second_call_from_none(tmp_path: Path) -> None:
    lm, store, rows = counting_model(tmp_path), fresh_store(tmp_path), random_rows()
    first = make(store, lm, rows, MLP, ENTRY)
    assert len(lm.passes()) == 6
    again = make(fresh_store(tmp_path), lm, rows, ENTRY, MLP)
    assert len(lm.passes()) == 6
    for site in (MLP, ENTRY):
        assert again[site].key == first[site].key
        assert torch.equal(again[site].block(0, 22), first[site].block(0, 22))


def test_a_pass_runs_for_the_missing_site_alone(tmp_path: Path) -> None:
    lm, store, rows = counting_model(tmp_path), fresh_store(tmp_path), random_rows()
    make(store, lm, rows, SITE)
    make(store, lm, rows, SITE, MLP)
    assert {line.split()[0] for line in lm.passes()[6:]} == {MLP}


def test_the_key_covers_what_decides_the_values(tmp_path: Path) -> None:
    store, rows = fresh_store(tmp_path), random_rows()
    lm, other = counting_model(tmp_path), counting_model(tmp_path)
    other.fingerprint = "other"  # type: ignore[attr-defined]
    keys = {
        make(store, lm, rows, SITE)[SITE].key,
        make(store, lm, rows, MLP)[MLP].key,
        make(store, lm, rows, SITE, store_dtype=torch.bfloat16)[SITE].key,
        make(store, lm, random_rows(seed=1), SITE)[SITE].key,
        make(store, other, rows, SITE)[SITE].key,
    }
    assert len(keys) == 5
    assert make(store, lm, rows, SITE, batch_rows=8)[SITE].key in keys


def test_an_entry_opens_by_its_key_with_its_rows(tmp_path: Path) -> None:
    store, rows = fresh_store(tmp_path), random_rows()
    made = make(store, counting_model(tmp_path), rows, SITE)[SITE]
    opened = store.open(made.key)
    assert torch.equal(opened.block(3, 9), made.block(3, 9))
    assert np.array_equal(opened.mask, rows.mask)
    assert (opened.site, opened.document_ids, opened.rows.packing) == (SITE, rows.document_ids, rows.packing)
    with pytest.raises(UnknownName, match=f"did you mean {made.key}"):
        store.open(made.key[:-1])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("damage", [flip, cut, Path.unlink])
def test_a_damaged_shard_is_made_again_alone(tmp_path: Path, damage: Any) -> None:
    lm, store, rows = Counting(tiny_model(), tmp_path / "passes.txt"), fresh_store(tmp_path), random_rows()
    made = make(store, lm, rows, SITE)[SITE]
    made.mean()
    before = made.block(0, 22)
    damage(store.root / made.key / "00003.bin")
    with pytest.raises(StorageError, match="damaged"):
        store.open(made.key)
    # Other batches are asked for; the shard keeps those that it was made with, hence its bits.
    again = make(store, lm, rows, SITE, batch_rows=7)[SITE]
    assert lm.passes()[6:] == [f"{SITE} {rows.tokens[12:16, 1].tolist()}"]
    assert torch.equal(again.block(0, 22), before)
    torch.testing.assert_close(again.mean(), before[torch.from_numpy(rows.mask)].double().mean(0))


@pytest.mark.parametrize("damage", [flip, cut, Path.unlink])
@pytest.mark.parametrize("name", ["tokens.npy", "mask.npy", "documents.npy", "rows.json"])
def test_damaged_rows_are_written_again_without_a_pass(tmp_path: Path, damage: Any, name: str) -> None:
    lm, store, rows = counting_model(tmp_path), fresh_store(tmp_path), random_rows()
    key = make(store, lm, rows, SITE)[SITE].key
    damage(store.root / key / name)
    make(store, lm, rows, SITE)
    assert len(lm.passes()) == 6
    assert np.array_equal(store.open(key).mask, rows.mask)


@pytest.mark.parametrize("damage", [cut, Path.unlink])
def test_an_entry_without_a_sound_manifest_starts_anew(tmp_path: Path, damage: Any) -> None:
    lm, store, rows = counting_model(tmp_path), fresh_store(tmp_path), random_rows()
    made = make(store, lm, rows, SITE)[SITE]
    damage(store.root / made.key / "manifest.json")
    again = make(store, lm, rows, SITE)[SITE]
    assert len(lm.passes()) == 12
    assert torch.equal(again.block(0, 22), made.block(0, 22))


@pytest.mark.parametrize("field", ["rows", "context", "width", "rows_per_shard", "checksums", "key"])
def test_a_manifest_that_lies_does_no_harm(tmp_path: Path, field: str) -> None:
    lm, store, rows = counting_model(tmp_path), fresh_store(tmp_path), random_rows()
    made = make(store, lm, rows, SITE)[SITE]
    path = store.root / made.key / "manifest.json"
    said = json.loads(path.read_text())
    lies = {"checksums": {"0": "0" * 64}, "key": said["key"] | {"site": MLP}}
    path.write_text(json.dumps(said | {field: lies.get(field, 12)}))
    again = make(store, lm, rows, SITE)[SITE]
    assert torch.equal(again.block(0, 22), captured(Table(), rows, SITE))


@pytest.mark.parametrize("damage", [flip, cut])
@pytest.mark.parametrize("name", ["mean", "covariance"])
def test_kept_moments_are_used_and_damaged_ones_computed_again(tmp_path: Path, damage: Any, name: str) -> None:
    store, rows = fresh_store(tmp_path), random_rows()
    made = make(store, counting_model(tmp_path), rows, SITE)[SITE]
    true = getattr(made, name)()
    path = store.root / made.key / "statistics" / f"{name}.npz"
    np.savez(path, **{name: true.numpy() + 1})
    assert torch.equal(getattr(store.open(made.key), name)(), true + 1)
    np.savez(path, **{name: true.numpy()})
    damage(path)
    assert torch.equal(getattr(store.open(made.key), name)(), true)


def test_a_full_disk_keeps_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lm, store, rows = counting_model(tmp_path), fresh_store(tmp_path), random_rows()
    append = shards_module.ShardWriter.append
    written = 0

    def full_after_two(self: shards_module.ShardWriter, values: torch.Tensor) -> None:
        nonlocal written
        written += 1
        if written > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(self, values)

    with monkeypatch.context() as patch:
        patch.setattr(shards_module.ShardWriter, "append", full_after_two)
        with pytest.raises(StorageError, match=r"the disk is full: 7,168 bytes") as raised:
            make(store, lm, rows, SITE)
    assert str(store.root) in str(raised.value)
    assert "SAEBENCH_CACHE" in str(raised.value)
    (entry,) = store.entries()
    assert not entry.complete
    assert sorted(path.name for path in entry.path.glob("*.bin")) == ["00000.bin", "00001.bin"]
    assert not list(entry.path.glob(".*"))
    data = make(store, lm, rows, SITE)[SITE]
    assert len(lm.passes()) == 3 + 4
    assert torch.equal(data.block(0, 22), captured(Table(), rows, SITE))


def test_a_disk_without_room_is_refused_before_the_model_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lm, store = counting_model(tmp_path), fresh_store(tmp_path)
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(StorageError, match=r"the disk is full: 11,264 bytes"):
        make(store, lm, random_rows(), SITE)
    assert lm.passes() == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        ActivationStore(tmp_path / "file" / "store")


def test_activations_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    lm = Table()
    lm.capture = lambda tokens, sites: {SITE: torch.where(tokens == 30, torch.nan, 1.0)[..., None].expand(-1, -1, 16)}  # type: ignore[method-assign]
    rows = random_rows()
    assert (rows.tokens[rows.mask] == 30).any()
    with pytest.raises(DataError, match=f"{SITE}: the activations of table hold NaN"):
        make(fresh_store(tmp_path), Counting(lm, tmp_path / "log"), rows, SITE)


def test_only_two_dtypes_are_kept(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="float32 or bfloat16"):
        make(fresh_store(tmp_path), counting_model(tmp_path), random_rows(), SITE, store_dtype=torch.float16)


def test_the_bound_evicts_what_was_used_longest_ago(tmp_path: Path) -> None:
    lm, rows = counting_model(tmp_path), [random_rows(seed=seed) for seed in range(4)]
    keys = [make(fresh_store(tmp_path), lm, one, SITE)[SITE].key for one in rows[:3]]
    one_entry = fresh_store(tmp_path).entries()[0].bytes
    store = fresh_store(tmp_path, max_bytes=int(3.5 * one_entry))
    make(store, lm, rows[0], SITE)
    assert [entry.key for entry in store.entries()] == [keys[1], keys[2], keys[0]]
    newest = make(store, lm, rows[3], SITE)[SITE].key
    assert [entry.key for entry in store.entries()] == [keys[2], keys[0], newest]
    assert sum(entry.bytes for entry in store.entries()) <= store.max_bytes


def test_what_is_in_use_is_never_evicted(tmp_path: Path) -> None:
    lm, rows = counting_model(tmp_path), [random_rows(seed=seed) for seed in range(3)]
    old = make(fresh_store(tmp_path), lm, rows[0], SITE)[SITE]
    idle = make(fresh_store(tmp_path), lm, rows[1], SITE)[SITE].key
    store = fresh_store(tmp_path, max_bytes=int(2.5 * fresh_store(tmp_path).entries()[0].bytes))
    new = make(store, lm, rows[2], SITE)[SITE]
    assert {entry.key for entry in store.entries()} == {old.key, new.key}
    with pytest.raises(StorageError, match=r"are in use.*SAEBENCH_STORE_BYTES"):
        make(store, lm, rows[1], SITE)
    assert store.empty() == 0
    assert torch.equal(old.block(0, 22), captured(Table(), rows[0], SITE))
    del old
    assert make(store, lm, rows[1], SITE)[SITE].key == idle
    assert {entry.key for entry in store.entries()} == {idle, new.key}


def test_a_request_that_can_never_fit_evicts_nothing(tmp_path: Path) -> None:
    lm = counting_model(tmp_path)
    store = fresh_store(tmp_path, max_bytes=30_000)
    idle = make(store, lm, random_rows(), SITE)[SITE].key
    with pytest.raises(StorageError, match=r"51,200 bytes of new activations do not fit"):
        make(store, lm, random_rows(100), SITE)
    assert [entry.key for entry in store.entries()] == [idle]


def test_an_incomplete_entry_of_the_same_call_is_not_evicted(tmp_path: Path) -> None:
    lm, rows = counting_model(tmp_path), random_rows()
    key = make(fresh_store(tmp_path), lm, rows, SITE)[SITE].key
    (tmp_path / "store" / key / "00001.bin").unlink()
    size = fresh_store(tmp_path).entries()[0].bytes
    store = fresh_store(tmp_path, max_bytes=int(1.5 * size))
    with pytest.raises(StorageError, match="do not fit"):
        make(store, lm, rows, SITE, MLP)
    assert [entry.key for entry in store.entries()] == [key]


def test_emptying_frees_everything_idle(tmp_path: Path) -> None:
    store = fresh_store(tmp_path)
    make(store, counting_model(tmp_path), random_rows(), SITE, MLP)
    listed = store.entries()
    assert {entry.site for entry in listed} == {SITE, MLP}
    assert all(entry.complete and not entry.in_use and entry.lm == "table" for entry in listed)
    assert store.empty() == sum(entry.bytes for entry in listed)
    assert store.entries() == []


def test_a_lease_ends_with_its_process(tmp_path: Path) -> None:
    lease = Lease(tmp_path)
    (path,) = (tmp_path / "leases").iterdir()
    assert in_use(tmp_path)
    holder = json.loads(path.read_text())
    reused = {**holder, "started": holder["started"] - 3600}
    dead = {**holder, "pid": next(pid for pid in range(2**22 - 1, 0, -1) if not psutil.pid_exists(pid))}
    for gone in (reused, dead):
        path.write_text(json.dumps(gone))
        assert not in_use(tmp_path)
    elsewhere = {**dead, "machine": "another"}
    path.write_text(json.dumps(elsewhere))
    assert in_use(tmp_path)
    os.utime(path, (0, 0))
    assert not in_use(tmp_path)
    lease.release()
    assert not path.exists()


def test_the_bound_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAEBENCH_STORE_BYTES", "12345")
    assert ActivationStore(tmp_path).max_bytes == 12345
    monkeypatch.setenv("SAEBENCH_STORE_BYTES", "20GB")
    with pytest.raises(UsageError, match="SAEBENCH_STORE_BYTES must be a number of bytes, not '20GB'"):
        ActivationStore(tmp_path)
