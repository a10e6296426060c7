import errno
from pathlib import Path

import pytest

from saebench.assets import cache_entries, cache_folder
from saebench.assets.cache import storage_errors
from saebench.errors import StorageError


def test_the_environment_names_the_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAEBENCH_CACHE", str(tmp_path / "elsewhere"))
    assert cache_folder() == tmp_path / "elsewhere"
    monkeypatch.setenv("SAEBENCH_CACHE", "")
    assert cache_folder().name == "saebench"


def test_entries_are_the_folders_of_each_room_with_all_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "assets" / "news" / "deep").mkdir(parents=True)
    (tmp_path / "assets" / "news" / "a").write_bytes(b"12345")
    (tmp_path / "assets" / "news" / "deep" / "b").write_bytes(b"123")
    (tmp_path / "assets" / ".news.lock").write_bytes(b"")
    (tmp_path / "activations" / "k").mkdir(parents=True)
    (tmp_path / "activations" / ".locks").mkdir()
    assert [(entry.name, entry.bytes) for entry in cache_entries(tmp_path)] == [
        ("activations/k", 0),
        ("assets/news", 8),
    ]
    assert cache_entries(tmp_path / "nowhere") == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
def test_a_disk_that_takes_nothing_is_a_storage_error_that_names_the_place(number: int, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"SAEBENCH_CACHE") as caught, storage_errors(tmp_path):
        raise OSError(number, "no")
    assert str(tmp_path) in str(caught.value)


def test_other_system_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), storage_errors(tmp_path):
        (tmp_path / "missing").read_bytes()
