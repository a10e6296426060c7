import os
import subprocess
import sys
from pathlib import Path
from time import sleep

import pytest
import torch
from activation_scene import MLP, SITE, counting_model, fresh_store, random_rows

from saebench.activations import manifest

HARVESTER = Path(__file__).with_name("harvester.py")
NEVER = 1000


def start(folder: Path, last: int = NEVER) -> subprocess.Popen[str]:
    command = [sys.executable, str(HARVESTER), str(folder), str(last)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "SHARD_TOKENS", 32)


def test_a_killed_pass_goes_on_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    killed = start(tmp_path, last=2)
    killed.communicate()
    assert killed.returncode == 9
    lm, store, rows = counting_model(tmp_path), fresh_store(tmp_path), random_rows()
    assert len(lm.passes()) == 2
    assert [entry.in_use or entry.complete for entry in store.entries()] == [False, False]
    assert len(list(store.root.glob("*/.*.part"))) == 2
    made = store.sets(lm, rows, [SITE, MLP], batch_rows=4)  # type: ignore[arg-type]
    passes = lm.passes()
    assert len(passes) == len(set(passes)) == 6
    assert not list(store.root.glob("*/.*.part"))
    other = tmp_path / "undisturbed"
    other.mkdir()
    whole = fresh_store(other).sets(counting_model(other), rows, [SITE, MLP], batch_rows=4)  # type: ignore[arg-type]
    for site in (SITE, MLP):
        assert torch.equal(made[site].block(0, 22), whole[site].block(0, 22))


def test_two_processes_that_ask_at_once_do_the_work_once(tmp_path: Path) -> None:
    both = [start(tmp_path), start(tmp_path)]
    while len(list(tmp_path.glob("ready-*"))) < 2 and not any(process.poll() for process in both):
        sleep(0.01)
    (tmp_path / "go").touch()
    outputs = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0] != ""
    passes = counting_model(tmp_path).passes()
    assert len(passes) == len(set(passes)) == 6
