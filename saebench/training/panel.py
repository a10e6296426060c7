"""The trainer: several dictionaries of one site train from one pass over its activations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from saebench.dictionaries.checkpoints import load
from saebench.dictionaries.contract import Dictionary, Provenance
from saebench.errors import CheckpointError, DataError, StorageError, SubjectFailed, UsageError
from saebench.progress import Bar, Progress, Silent
from saebench.training.member_run import MemberRun, NonFiniteLossError
from saebench.training.settings import DTYPES, Member, TrainSettings
from saebench.training.state import STATE_FILE, load_state, require_equal
from saebench.training.stream import Stream

CONFIG_FILE = "config.json"
FREE = ("log_every", "checkpoint_every", "device")
"""Settings that a resumed run may change: none of them changes the result."""


def train_panel(
    members: Sequence[Member],
    batches: Iterable[Tensor],
    settings: TrainSettings,
    *,
    sites: tuple[str, ...] = (),
    out: Path | None = None,
    resume: bool = False,
    provenance: Provenance | None = None,
    progress: Progress | None = None,
) -> dict[str, Dictionary]:
    """Train all members, each batch being handed to every one of them.

    A member's result depends on its own fields, the settings and the batches alone: it is bit-equal on the same
    machine and number of threads whatever else is in the panel.

    Args:
        members: what to train; names are unique.
        batches: any iterable of activations `[n, d]`, all of one size. It must last `settings.steps` batches. With
            `seek(step)` a resumed run uses it; otherwise hand in an iterator that starts at its beginning.
        settings: what the members share.
        sites: sites of the activations, written into the checkpoints.
        out: folder that gets one folder per member: the training state while it trains, then `config.json`,
            `weights.safetensors` and the log `train.jsonl`. None: nothing is written.
        resume: go on from what `out` holds. A finished member is loaded, not trained again.
        provenance: language model, data and documents; architecture, seed and tokens are filled in here.
        progress: is shown loss, L0 and dead fraction.

    Returns:
        Per member name the trained dictionary, which reads raw activations.

    Raises:
        UsageError: names repeat, or `out` holds a run and `resume` is not set.
        ConfigError: the run to be resumed was started with other settings; names the field.
        CheckpointError: a stored state or dictionary is damaged.
        DataError: the activations ended early, have the wrong shape or hold NaN; what was reached is stored.
        SubjectFailed: the loss of a member was not finite. The others were trained to the end and stored.
        StorageError: the disk is full or `out` cannot be written.
    """
    provenance, progress = provenance or Provenance(), progress or Silent()
    names = [member.name for member in members]
    if len(set(names)) < len(names):
        raise UsageError("two members of the panel have the same name")
    folders = {name: out / name if out is not None else None for name in names}
    records = {member.name: record_of(member, settings, sites, provenance) for member in members}
    if not resume:
        _require_fresh(folders)
    trained: dict[str, Dictionary] = {}
    for name, folder in folders.items():
        if folder is not None and (folder / CONFIG_FILE).exists():
            trained[name] = _finished(folder, records[name])
    waiting = [member for member in members if member.name not in trained]
    if waiting:
        stream = Stream(batches)
        runs = [
            _open(member, settings, records[member.name], stream, sites, provenance, folders[member.name])
            for member in waiting
        ]
        trained.update(train_runs(runs, stream, settings, progress))
    return {name: trained[name] for name in names}


def record_of(
    member: Member, settings: TrainSettings, sites: tuple[str, ...], provenance: Provenance
) -> dict[str, Any]:
    """Everything that the result depends on, as JSON values."""
    shared = {name: value for name, value in asdict(settings).items() if name not in FREE}
    record = {
        **shared,
        "composition": member.composition.to_config(),
        "d_dict": member.d_dict,
        "train_seed": member.train_seed,
        "sites": sites,
        "lm": provenance.lm,
        "lm_weights_hash": provenance.lm_weights_hash,
        "data": provenance.data,
    }
    plain: dict[str, Any] = json.loads(json.dumps(record))
    return plain


def _require_fresh(folders: Mapping[str, Path | None]) -> None:
    for folder in folders.values():
        if folder is not None and ((folder / CONFIG_FILE).exists() or (folder / STATE_FILE).exists()):
            raise UsageError(
                f"{folder} holds a training run: add --resume (resume=True) to go on, or choose another folder"
            )


def _finished(folder: Path, record: dict[str, Any]) -> Dictionary:
    """A member that an earlier run has trained to the end."""
    dictionary = load(folder)
    stored = dictionary.provenance.extra.get("training")
    if not isinstance(stored, Mapping):
        raise CheckpointError(
            "this dictionary does not say how it was trained",
            file=folder / CONFIG_FILE,
            field="provenance.extra.training",
            remedy="choose another output folder",
        )
    require_equal({name: stored.get(name) for name in record}, record, folder / CONFIG_FILE)
    (folder / STATE_FILE).unlink(missing_ok=True)
    return dictionary


def _open(
    member: Member,
    settings: TrainSettings,
    record: dict[str, Any],
    stream: Stream,
    sites: tuple[str, ...],
    provenance: Provenance,
    folder: Path | None,
) -> MemberRun:
    """A member ready for its next step: restored from its state where there is one, at its beginning otherwise."""
    (first,) = stream.head(1)
    record = {**record, "d_in": first.shape[1], "batch_size": len(first)}
    run = MemberRun(member, settings, record, sites=sites, provenance=provenance, folder=folder)
    if folder is not None and (folder / STATE_FILE).exists():
        state = load_state(folder / STATE_FILE)
        require_equal(state["record"], record, folder / STATE_FILE)
        run.restore(state)
    else:
        run.begin(stream.head(min(settings.first_batches, settings.steps)))
    return run


def train_runs(
    runs: Sequence[MemberRun], stream: Stream, settings: TrainSettings, progress: Progress
) -> dict[str, Dictionary]:
    """Bring all runs to the last step and finish them."""
    failures: list[str] = []
    alive = list(runs)
    start = min(run.step for run in runs)
    device, dtype = torch.device(settings.device), DTYPES[settings.dtype]
    label = runs[0].member.name if len(runs) == 1 else f"{len(runs)} dictionaries"
    with progress.bar(f"training {label}", settings.steps, "steps") as bar:
        bar.advance(start)
        try:
            stream.seek(start)
            for step in range(start, settings.steps):
                batch = stream.next().to(device, dtype)
                for run in [run for run in alive if run.step == step]:
                    try:
                        run.advance(batch)
                    except NonFiniteLossError:
                        alive.remove(run)
                        failures.append(_failure(run, batch))
                        progress.note(failures[-1])
                    if run.whole and run.step % settings.checkpoint_every == 0 and run.step < settings.steps:
                        run.checkpoint()
                if not alive:
                    break
                _show(bar, alive)
        except StorageError:
            raise
        except BaseException:
            for run in alive:
                run.checkpoint()
            raise
    trained: dict[str, Dictionary] = {run.member.name: run.finish() for run in alive}
    if failures:
        kept = f"; the other {len(trained)} are trained" if trained else ""
        raise SubjectFailed("; ".join(failures) + kept)
    return trained


def _failure(run: MemberRun, batch: Tensor) -> str:
    """What to say about a loss that is not finite.

    Raises:
        DataError: the activations themselves are not finite.
    """
    if not torch.isfinite(batch).all():
        raise DataError(f"the activations of step {run.step} hold NaN or infinity")
    return f"member '{run.member.name}': the loss of step {run.step} is not finite (try a lower learning rate)"


def _show(bar: Bar, runs: Sequence[MemberRun]) -> None:
    """One step done; the range over members of what their last log lines say."""
    fields = {}
    for name in ("loss", "l0", "dead"):
        values = [run.shown[name] for run in runs if name in run.shown]
        if values:
            low, high = (f"{value:.3g}" for value in (min(values), max(values)))
            fields[name] = low if low == high else f"{low}-{high}"
    bar.advance(1, **fields)
