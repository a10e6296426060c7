"""The training of one dictionary: everything that changes from step to step, and one step."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from saebench.dictionaries.autoencoder import SparseAutoencoder
from saebench.dictionaries.blocks.state import TrainingPass, TrainingState
from saebench.dictionaries.checkpoints import save
from saebench.dictionaries.contract import Provenance
from saebench.training.settings import DTYPES, Member, TrainSettings
from saebench.training.state import LOG_FILE, STATE_FILE, replacing, save_state, storage_error
from saebench.training.update import Updater


class NonFiniteLossError(Exception):
    """The loss of a member became NaN or infinite; its parameters are of no use from here on."""


class MemberRun:
    """One member under way.

    `whole` is False while a step is being taken: a state that is saved then would be half of one step and half of the
    next. `record` holds the settings that a resumed run must share.
    """

    def __init__(
        self,
        member: Member,
        settings: TrainSettings,
        record: dict[str, Any],
        *,
        sites: tuple[str, ...],
        provenance: Provenance,
        folder: Path | None,
    ) -> None:
        self.member = member
        self.settings = settings
        self.record = record
        self.provenance = provenance
        self.folder = folder
        self.generator = torch.Generator().manual_seed(member.train_seed)
        self.model = SparseAutoencoder(member.composition, record["d_in"], member.d_dict, sites=sites)
        self.silent = torch.zeros(member.d_dict, dtype=torch.int64)
        self.dead_after = settings.silence(record["batch_size"])
        self.step = 0
        self.tokens = 0
        self.whole = True
        self.shown: dict[str, float] = {}

    def begin(self, first: Sequence[Tensor]) -> None:
        """The scale from the first batches of the stream, data-dependent weights from the very first."""
        self.model.set_scale(torch.cat(list(first)))
        self.model.initialise(self.generator, first[0].float() * self.model.scale)
        self._arm()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state that `state` gave."""
        self.model.load_state_dict(state["model"])
        self._arm()
        self.updater.load_state_dict(state["optimiser"])
        for control, saved in zip(self.controls, state["controllers"], strict=True):
            control.load_state_dict(saved)
        self.generator.set_state(state["generator"])
        self.silent.copy_(state["tokens_since_fired"])
        self.step, self.tokens = state["step"], state["tokens"]
        self._cut_log()

    def _arm(self) -> None:
        self.model.to(self.settings.device, DTYPES[self.settings.dtype])
        self.silent = self.silent.to(self.settings.device)
        composition = self.member.composition
        self.updater = Updater(self.model, composition.optimiser)
        self.controls = [spec.start(self.model, self.settings.steps) for spec in composition.controllers]

    def state(self) -> dict[str, Any]:
        """Everything that a resumed run needs, as tensors and plain values."""
        return {
            "record": self.record,
            "model": self.model.state_dict(),
            "optimiser": self.updater.state_dict(),
            "controllers": [control.state_dict() for control in self.controls],
            "generator": self.generator.get_state(),
            "tokens_since_fired": self.silent,
            "step": self.step,
            "tokens": self.tokens,
        }

    def checkpoint(self) -> None:
        """Write the state, when there is a folder and no step is half taken.

        Raises:
            StorageError: the disk is full or the folder cannot be written.
        """
        if self.folder is not None and self.whole:
            save_state(self.state(), self.folder / STATE_FILE)

    def advance(self, batch: Tensor) -> None:
        """Take one step on activations `[n, d]`.

        Raises:
            NonFiniteLossError: the loss is NaN or infinite; nothing was updated.
        """
        self.whole = False
        state = self._next()
        result = self.model.training_pass(batch, state)
        if not math.isfinite(result.loss.item()):
            raise NonFiniteLossError
        torch.autograd.backward(result.loss)
        lr = self.updater.rate * self.settings.lr_factor(self.step)
        self.updater.step(lr)
        self.silent.add_(len(batch)).masked_fill_(result.fired > 0, 0)
        for control in self.controls:
            order = control.after_step(result)
            if order is not None:
                self.updater.reorder(order)
                self.silent = self.silent[order.to(self.silent.device)]
        self.step += 1
        self.tokens += len(batch)
        if self.step in (1, self.settings.steps) or self.step % self.settings.log_every == 0:
            self._log(batch, result, lr, state.coefficients)
        self.whole = True

    def _next(self) -> TrainingState:
        """What the coming step is told, with the coefficients that controllers give it."""
        state = TrainingState(
            step=self.step,
            total_steps=self.settings.steps,
            tokens_since_fired=self.silent,
            dead_after=self.dead_after,
            coefficients=self.member.composition.coefficients(),
            generator=self.generator,
        )
        for control in self.controls:
            control.before_step(state)
        return state

    def _log(self, batch: Tensor, result: TrainingPass, lr: float, coefficients: dict[str, float]) -> None:
        with torch.no_grad():
            x = batch * self.model.scale
            fvu = (x - result.x_hat).square().sum() / (x - x.mean(0)).square().sum()
        dead = (self.silent >= self.dead_after).float().mean()
        self.shown = {"loss": result.loss.item(), "l0": float(result.l0), "dead": float(dead)}
        line = {
            "step": self.step,
            "tokens": self.tokens,
            "loss": self.shown["loss"],
            "parts": {name: float(value) for name, value in result.parts.items()},
            "l0": self.shown["l0"],
            "fvu": finite(float(fvu)),
            "dead_fraction": self.shown["dead"],
            "lr": lr,
            "coefficients": coefficients,
        }
        if self.folder is not None:
            path = self.folder / LOG_FILE
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("a", encoding="utf-8") as log:
                    log.write(json.dumps(line, allow_nan=False) + "\n")
            except OSError as error:
                raise storage_error(path, error) from error

    def _cut_log(self) -> None:
        """Drop lines of steps after the restored one: they will be written again."""
        if self.folder is None or not (path := self.folder / LOG_FILE).exists():
            return
        kept = []
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if not line.endswith("\n") or json.loads(line)["step"] > self.step:
                break
            kept.append(line)
        with replacing(path) as log:
            log.write("".join(kept).encode())

    def finish(self) -> SparseAutoencoder:
        """The trained dictionary, reading raw activations; written to the folder, where the state is then removed.

        Its provenance holds the coefficients that the next step would have had, for a training that goes on.

        Raises:
            StorageError: the disk is full or the folder cannot be written.
        """
        self.model.provenance = replace(
            self.provenance,
            architecture=self.member.composition.architecture,
            train_seed=self.member.train_seed,
            tokens=self.tokens,
            extra={**self.provenance.extra, "training": {**self.record, "coefficients": self._next().coefficients}},
        )
        trained = self.model.fold()
        if self.folder is not None:
            save(trained, self.folder)
            (self.folder / STATE_FILE).unlink(missing_ok=True)
        return trained


def finite(value: float) -> float | None:
    """The value, or None where it is not a number that JSON can hold."""
    return value if math.isfinite(value) else None
