import errno
from pathlib import Path

import pytest
import torch

from saebench.errors import CheckpointError, ConfigError, StorageError
from saebench.training import state as module
from saebench.training.state import load_state, replacing, require_equal, save_state

STATE = {"record": {"steps": 3}, "w": torch.arange(4.0), "nested": [{"n": 1, "x": None}]}


def test_a_state_comes_back_as_it_was(tmp_path):
    save_state(STATE, tmp_path / "a" / "s.pt")
    back = load_state(tmp_path / "a" / "s.pt")
    assert torch.equal(back.pop("w"), STATE["w"])
    assert back == {"record": {"steps": 3}, "nested": [{"n": 1, "x": None}]}


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "s.pt"
    save_state(STATE, path)
    before = path.read_bytes()

    def interrupted() -> None:
        with replacing(path) as stream:
            stream.write(b"half")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        interrupted()
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["s.pt"]


def test_a_full_disk_is_told_as_such(tmp_path, monkeypatch):
    path = tmp_path / "s.pt"
    save_state(STATE, path)
    before = path.read_bytes()

    def full(self, data):
        self.error = OSError(errno.ENOSPC, "No space left on device")
        raise self.error

    monkeypatch.setattr(module._Writer, "write", full)
    with pytest.raises(StorageError, match="the disk is full"):
        save_state(STATE, path)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["s.pt"]


@pytest.mark.parametrize("cut", [0, 10, 400])
def test_a_cut_state_is_refused(tmp_path, cut):
    path = tmp_path / "s.pt"
    save_state(STATE, path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_state(path)


def test_code_in_a_state_is_never_run(tmp_path):
    path = tmp_path / "s.pt"
    torch.save({"record": {}, "evil": Path("x").joinpath}, path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_state(path)


def test_another_file_is_no_state(tmp_path):
    torch.save([1], tmp_path / "s.pt")
    with pytest.raises(CheckpointError, match="no training state"):
        load_state(tmp_path / "s.pt")


def test_a_difference_is_named_with_both_values():
    stored = {"steps": 3, "composition": {"k": 4, "terms": [1]}}
    require_equal(stored, {"composition": {"terms": [1], "k": 4}, "steps": 3}, Path("f"))
    with pytest.raises(ConfigError, match=r"f: composition\.k: .*started with 4, not with 5") as caught:
        require_equal(stored, {"steps": 3, "composition": {"k": 5, "terms": [1]}}, Path("f"))
    assert caught.value.field == "composition.k"
    with pytest.raises(ConfigError, match=r"new: .*null, not with 1"):
        require_equal(stored, {**stored, "new": 1}, Path("f"))
