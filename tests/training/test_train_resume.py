import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from saebench.dictionaries import ARCHITECTURES
from saebench.dictionaries.blocks.controllers import L0Target, Reorder
from saebench.dictionaries.contract import Provenance
from saebench.errors import CheckpointError, ConfigError, DataError, UsageError
from saebench.training import Member, TrainSettings, train_panel

SETTINGS = TrainSettings(steps=24, log_every=4, checkpoint_every=5)


def members() -> list[Member]:
    """Controllers of every kind stand in one of them, so that their state is part of what must come back."""
    relu = ARCHITECTURES.get("relu")()
    steered = replace(relu, controllers=(*relu.controllers, L0Target("l1", 5), Reorder(every=0.1)))
    return [
        Member("topk", ARCHITECTURES.get("topk")(k=4), 64),
        Member("batchtopk", ARCHITECTURES.get("batchtopk")(k=4), 64, 1),
        Member("steered", steered, 64, 2),
    ]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Plain:
    """The batches of a seekable iterator as one that can only be read on, and may be stopped."""

    def __init__(self, source, stop_at: int | None = None) -> None:
        self.source, self.stop_at, self.read = source, stop_at, 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.read == self.stop_at:
            raise KeyboardInterrupt
        self.read += 1
        return next(self.source)


@pytest.mark.parametrize("seekable", [True, False])
def test_an_interrupted_run_goes_on_bit_equal(toy, tmp_path, seekable):
    train_panel(members(), toy.batches(64), SETTINGS, out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train_panel(members(), Plain(toy.batches(64), stop_at=13), SETTINGS, out=tmp_path / "cut")
    states = list((tmp_path / "cut").rglob("train_state.pt"))
    assert [torch.load(path, weights_only=True)["step"] for path in states] == [13, 13, 13]
    batches = toy.batches(64) if seekable else Plain(toy.batches(64))
    train_panel(members(), batches, SETTINGS, out=tmp_path / "cut", resume=True)
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


def test_members_at_different_steps_meet_again(toy, tmp_path):
    train_panel(members(), toy.batches(64), SETTINGS, out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train_panel(members(), Plain(toy.batches(64), stop_at=13), SETTINGS, out=tmp_path / "cut")
    (tmp_path / "cut" / "batchtopk" / "train_state.pt").unlink()
    train_panel(members(), toy.batches(64), SETTINGS, out=tmp_path / "cut", resume=True)
    expected = files(tmp_path / "whole")
    got = files(tmp_path / "cut")
    assert {name: got[name] for name in got if "jsonl" not in name} == {
        name: expected[name] for name in expected if "jsonl" not in name
    }


SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
import torch, time
torch.set_num_threads(1)
from conftest import Toy
from test_train_resume import members, SETTINGS
from saebench.training import train_panel
class Slow:
    def __init__(self, source): self.source = source
    def __iter__(self): return self
    def seek(self, step): self.source.seek(step)
    def __next__(self):
        time.sleep(0.02)
        return next(self.source)
train_panel(members(), Slow(Toy().batches(64)), SETTINGS, out=Path({out!r}))
"""


def test_a_killed_run_goes_on_bit_equal(toy, tmp_path):
    train_panel(members(), toy.batches(64), SETTINGS, out=tmp_path / "whole")
    out = tmp_path / "cut"
    script = SCRIPT.format(tests=str(Path(__file__).parent), out=str(out))
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", script], cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    try:
        until = time.monotonic() + 120
        while not (out / "steered" / "train_state.pt").exists():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (out / "steered" / "config.json").exists()
    train_panel(members(), toy.batches(64), SETTINGS, out=out, resume=True)
    assert {name: data for name, data in files(out).items() if not Path(name).name.startswith(".")} == files(
        tmp_path / "whole"
    )


def test_a_finished_panel_reads_no_activations(toy, tmp_path):
    def never():
        raise AssertionError("activations were read")
        yield

    first = train_panel(members(), toy.batches(64), SETTINGS, out=tmp_path)
    before = files(tmp_path)
    again = train_panel(members(), never(), SETTINGS, out=tmp_path, resume=True)
    assert {name: one.fingerprint() for name, one in again.items()} == {
        name: one.fingerprint() for name, one in first.items()
    }
    assert files(tmp_path) == before


def test_a_grown_panel_trains_only_what_is_new(toy, tmp_path):
    train_panel(members()[:2], toy.batches(64), SETTINGS, out=tmp_path)
    before = files(tmp_path)
    train_panel(members(), toy.batches(64), SETTINGS, out=tmp_path, resume=True)
    after = files(tmp_path)
    assert {name: after[name] for name in before} == before
    assert "steered/config.json" in after


def test_what_was_reached_is_stored_when_activations_end(toy, tmp_path):
    train_panel(members()[:1], toy.batches(64), SETTINGS, out=tmp_path / "whole")
    source = toy.batches(64)
    with pytest.raises(DataError, match="ended after 9 batches"):
        train_panel(members()[:1], [next(source) for _ in range(9)], SETTINGS, out=tmp_path / "cut")
    train_panel(members()[:1], toy.batches(64), SETTINGS, out=tmp_path / "cut", resume=True)
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


def topk(**changes) -> Member:
    return replace(members()[0], **changes)


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize(
    ("field", "member", "settings", "data"),
    [
        ("steps", topk(), replace(SETTINGS, steps=30), "a"),
        ("train_seed", topk(train_seed=9), SETTINGS, "a"),
        ("composition.sparsifier.rule.k", topk(composition=ARCHITECTURES.get("topk")(k=5)), SETTINGS, "a"),
        ("d_dict", topk(d_dict=96), SETTINGS, "a"),
        ("data", topk(), SETTINGS, "b"),
    ],
)
def test_other_settings_are_refused_by_name(toy, tmp_path, finished, field, member, settings, data):
    batches = toy.batches(64) if finished else Plain(toy.batches(64), stop_at=8)
    try:
        train_panel([topk()], batches, SETTINGS, out=tmp_path, provenance=Provenance(data="a"))
    except KeyboardInterrupt:
        assert not finished
    before = files(tmp_path)
    with pytest.raises(ConfigError) as caught:
        train_panel([member], toy.batches(64), settings, out=tmp_path, resume=True, provenance=Provenance(data=data))
    assert caught.value.field == field
    assert files(tmp_path) == before


def test_another_batch_size_is_refused(toy, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train_panel([topk()], Plain(toy.batches(64), stop_at=8), SETTINGS, out=tmp_path)
    with pytest.raises(ConfigError, match=r"batch_size: .*64, not with 32"):
        train_panel([topk()], toy.batches(32), SETTINGS, out=tmp_path, resume=True)


def test_a_run_is_not_overwritten_unasked(toy, tmp_path):
    train_panel([topk()], toy.batches(64), SETTINGS, out=tmp_path)
    before = files(tmp_path)
    with pytest.raises(UsageError, match="holds a training run: add --resume"):
        train_panel([topk()], toy.batches(64), SETTINGS, out=tmp_path)
    assert files(tmp_path) == before


def test_a_damaged_state_is_told(toy, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train_panel([topk()], Plain(toy.batches(64), stop_at=8), SETTINGS, out=tmp_path)
    path = tmp_path / "topk" / "train_state.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"train_state.pt: .*cannot be read"):
        train_panel([topk()], toy.batches(64), SETTINGS, out=tmp_path, resume=True)


def test_the_log_of_a_resumed_run_has_every_step_once(toy, tmp_path):
    """The last lines before a kill may be newer than the state, and the very last may be half-written."""
    with pytest.raises(KeyboardInterrupt):
        train_panel([topk()], Plain(toy.batches(64), stop_at=13), SETTINGS, out=tmp_path)
    log = tmp_path / "topk" / "train.jsonl"
    log.write_text(log.read_text() + json.dumps({"step": 16}) + "\n" + '{"step": 2')
    train_panel([topk()], toy.batches(64), SETTINGS, out=tmp_path, resume=True)
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [1, 4, 8, 12, 16, 20, 24]
