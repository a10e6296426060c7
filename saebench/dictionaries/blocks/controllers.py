"""Controllers: what changes a dictionary or its loss between steps, without a gradient.

A controller in a composition is a frozen record; `start` makes the object that acts in one training run.
Before a step it may change `state.coefficients`, which then holds the coefficient of every regulariser by name:
controllers act in the order of the composition and multiply, so that a warm-up, an L0 target and p-annealing may
stand together. After a step a controller sees the codes and may write buffers of the dictionary or ask for another
order of latents.
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from saebench.dictionaries.blocks.block import Block, block
from saebench.dictionaries.codes import Codes, SparseCodes
from saebench.errors import CompositionError

if TYPE_CHECKING:
    from saebench.dictionaries.autoencoder import SparseAutoencoder
    from saebench.dictionaries.blocks.state import TrainingPass, TrainingState

EXPONENT = "p"
"""Where `state.coefficients` holds the exponent of an Lp term."""


class Control(abc.ABC):
    """A controller at work in one training run. State is plain numbers, lists and tensors."""

    def before_step(self, state: TrainingState) -> None:
        """Write coefficients for the coming step."""
        return

    def after_step(self, result: TrainingPass) -> Tensor | None:
        """Look at the step's result; a returned `[d_dict]` permutation becomes the new order of latents."""
        return None

    @abc.abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs."""

    @abc.abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""


class Controller(Block):
    """Base of the frozen records that stand in a composition."""

    sets_threshold: ClassVar[bool] = False
    """It gives a batch rule the threshold that single tokens are encoded with."""

    def start(self, model: SparseAutoencoder, total_steps: int) -> Control:
        """The object that acts in a run of `total_steps` steps on `model`."""
        raise NotImplementedError


@block("controller", "warm_up")
@dataclass(frozen=True)
class WarmUp(Controller):
    """The coefficient of `term` rises linearly from 0 to its full value over the first `fraction` of the steps.

    (Anthropic, "Circuits updates, April 2024": 5 % of the steps.)
    """

    term: str
    fraction: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.fraction <= 1:
            raise CompositionError(f"{self.fraction} is not within [0, 1]", field="controller.warm_up.fraction")

    def start(self, model: SparseAutoencoder, total_steps: int) -> Control:
        return _Warming(self.term, max(1, round(self.fraction * total_steps)))


@dataclass
class _Warming(Control):
    term: str
    steps: int

    def before_step(self, state: TrainingState) -> None:
        state.coefficients[self.term] *= min(1.0, (state.step + 1) / self.steps)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        return None


@block("controller", "l0_target")
@dataclass(frozen=True)
class L0Target(Controller):
    """Steers the coefficient of `term` until the mean number of active latents is `l0`.

    A proportional-integral rule on the logarithm of the coefficient: with e = ln(L0 / target) as it is foreseen a
    little ahead, the integral part moves by `integral` * e / total steps a step, and the coefficient is multiplied by
    exp(integral part + `proportional` * e). The rule is multiplicative because the coefficient that gives an L0
    differs by orders of magnitude between architectures, widths and data; it looks ahead because L0 answers slowly,
    and a latent that was pushed to silence has no gradient that brings it back.
    """

    term: str
    l0: float
    proportional: float = 1.0
    integral: float = 20.0
    """How many e-folds the coefficient moves over a whole run per unit of e."""
    ahead: float = 0.1
    """Fraction of the run by which e is extrapolated along its present slope."""
    memory: int = 5
    """Steps over which e is averaged; its slope is averaged over half the steps looked ahead."""

    def __post_init__(self) -> None:
        if not self.l0 > 0:
            raise CompositionError(f"{self.l0} is not positive", field="controller.l0_target.l0")
        if self.memory < 1:
            raise CompositionError(f"{self.memory} is not positive", field="controller.l0_target.memory")

    def start(self, model: SparseAutoencoder, total_steps: int) -> Control:
        return _Steering(self, total_steps)


class _Steering(Control):
    FURTHEST = 2.0
    """|e| beyond which the rule reacts no stronger."""

    def __init__(self, spec: L0Target, total_steps: int) -> None:
        self.spec = spec
        self.gain = spec.integral / total_steps
        self.steps_ahead = spec.ahead * total_steps
        self.total = 0.0
        self.slope = 0.0
        self.error: float | None = None

    def before_step(self, state: TrainingState) -> None:
        state.coefficients[self.spec.term] *= math.exp(self.total + self.spec.proportional * self._foreseen())

    def after_step(self, result: TrainingPass) -> None:
        error = math.log(max(float(result.l0) / self.spec.l0, 0.01))
        if self.error is None:
            self.error = error
        else:
            move = (error - self.error) / self.spec.memory
            self.error += move
            self.slope += (move - self.slope) / max(self.spec.memory, self.steps_ahead / 2)
        self.total += self.gain * self._foreseen()

    def _foreseen(self) -> float:
        if self.error is None:
            return 0.0
        return max(-self.FURTHEST, min(self.FURTHEST, self.error + self.steps_ahead * self.slope))

    def state_dict(self) -> dict[str, Any]:
        return {"total": self.total, "slope": self.slope, "error": self.error}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.total, self.slope, self.error = state["total"], state["slope"], state["error"]


@block("controller", "p_anneal")
@dataclass(frozen=True)
class PAnneal(Controller):
    """Lowers the exponent of the Lp term `term` from `p_start` to `p_end` in `updates` equal moves.

    At a move the coefficient is multiplied by mean R_p / mean R_p' over the last `queue` steps, so that the penalty
    does not jump (Karvonen et al. 2024, "Measuring progress in dictionary learning ...", section 3). R_p is the mean
    over tokens of sum f^p. The moves are spread evenly between the fractions `begin` and `end` of the run; after `end`
    the exponent rests, so that L0 settles while the learning rate falls.
    """

    term: str = "lp"
    p_start: float = 1.0
    p_end: float = 0.2
    updates: int = 10
    begin: float = 0.3
    end: float = 0.8
    queue: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.p_end <= self.p_start:
            raise CompositionError("0 < p_end <= p_start does not hold", field="controller.p_anneal.p_end")
        if not 0 <= self.begin < self.end <= 1:
            raise CompositionError("0 <= begin < end <= 1 does not hold", field="controller.p_anneal.begin")
        if self.updates < 1 or self.queue < 1:
            raise CompositionError("updates and queue must be positive", field="controller.p_anneal.updates")

    def start(self, model: SparseAutoencoder, total_steps: int) -> Control:
        return _Annealing(self, total_steps)

    def exponent(self, move: int) -> float:
        """The exponent after `move` of the `updates` moves."""
        return self.p_start + (self.p_end - self.p_start) * move / self.updates


class _Annealing(Control):
    def __init__(self, spec: PAnneal, total_steps: int) -> None:
        self.spec = spec
        first, span = spec.begin * total_steps, (spec.end - spec.begin) * total_steps
        self.when = [max(1, round(first + span * move / spec.updates)) for move in range(spec.updates)]
        self.moves = 0
        self.factor = 1.0
        self.step = 0
        self.queue: list[tuple[float, float]] = []

    def before_step(self, state: TrainingState) -> None:
        self.step = state.step
        while self.moves < len(self.when) and state.step >= self.when[self.moves]:
            now, then = (sum(column) for column in zip(*self.queue, strict=True)) if self.queue else (1.0, 1.0)
            self.factor *= now / then if then > 0 else 1.0
            self.moves += 1
            self.queue.clear()
        state.coefficients[EXPONENT] = self.spec.exponent(self.moves)
        state.coefficients[self.spec.term] *= self.factor

    def after_step(self, result: TrainingPass) -> None:
        if self.moves == len(self.when) or self.step < self.when[self.moves] - self.spec.queue:
            return
        values = active_values(result.codes)
        pair = [float(values.pow(self.spec.exponent(self.moves + more)).sum()) / result.codes.n for more in (0, 1)]
        self.queue.append((pair[0], pair[1]))

    def state_dict(self) -> dict[str, Any]:
        return {"moves": self.moves, "factor": self.factor, "queue": [list(pair) for pair in self.queue]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.moves, self.factor = state["moves"], state["factor"]
        self.queue = [(now, then) for now, then in state["queue"]]


@block("controller", "threshold_average")
@dataclass(frozen=True)
class ThresholdAverage(Controller):
    """Keeps the inference threshold of a batch-coupled rule: a running mean of each batch's smallest kept code.

    theta = E over batches of the smallest positive kept value (Bussmann et al. 2024, "BatchTopK", section 2). The
    mean is exponential with its weights normalised, so that it is a plain mean in the first steps and never holds a
    sentinel; its time constant is `memory` of the run and at most `longest` steps. Double precision.
    """

    memory: float = 0.05
    longest: int = 1000

    sets_threshold: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.memory <= 1:
            raise CompositionError(f"{self.memory} is not within (0, 1]", field="controller.threshold_average.memory")
        if self.longest < 1:
            raise CompositionError(f"{self.longest} is not positive", field="controller.threshold_average.longest")

    def start(self, model: SparseAutoencoder, total_steps: int) -> Control:
        return _Averaging(model, 1 / min(self.longest, max(1.0, self.memory * total_steps)))


class _Averaging(Control):
    def __init__(self, model: SparseAutoencoder, weight: float) -> None:
        self.model = model
        self.keep = 1 - weight
        self.total = 0.0
        self.mass = 0.0

    def after_step(self, result: TrainingPass) -> None:
        if result.cutoff is None:
            return
        self.total = self.keep * self.total + float(result.cutoff)
        self.mass = self.keep * self.mass + 1
        with torch.no_grad():
            self.model.threshold.fill_(self.total / self.mass)

    def state_dict(self) -> dict[str, Any]:
        return {"total": self.total, "mass": self.mass}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.total, self.mass = state["total"], state["mass"]


@block("controller", "reorder")
@dataclass(frozen=True)
class Reorder(Controller):
    """Sorts latents by importance during training, for nested dictionaries with sampled prefixes.

    Importance is a running mean (0.95) of the squared norm that a latent adds to the reconstruction, (f_i |d_i|)^2
    averaged over tokens. Sorting happens every `every` of the run until `until` of it, then the order is final.
    (Nabeshima 2024, "Matryoshka sparse autoencoders".)
    """

    decay: float = 0.95
    every: float = 0.01
    until: float = 0.8

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise CompositionError(f"{self.decay} is not within [0, 1)", field="controller.reorder.decay")
        if not 0 < self.every <= 1 or not 0 <= self.until <= 1:
            raise CompositionError("every and until must be fractions of the run", field="controller.reorder.every")

    def start(self, model: SparseAutoencoder, total_steps: int) -> Control:
        return _Sorting(self, model, max(1, round(self.every * total_steps)), round(self.until * total_steps))


class _Sorting(Control):
    def __init__(self, spec: Reorder, model: SparseAutoencoder, period: int, last: int) -> None:
        self.spec = spec
        self.model = model
        self.period = period
        self.last = last
        self.step = 0
        self.importance = torch.zeros(model.d_dict, dtype=torch.float64)

    def before_step(self, state: TrainingState) -> None:
        self.step = state.step

    def after_step(self, result: TrainingPass) -> Tensor | None:
        done = self.step + 1
        if done > self.last:
            return None
        power = mean_squares(result.codes).to("cpu", torch.float64) * self._atom_squares()
        self.importance.mul_(self.spec.decay).add_(power, alpha=1 - self.spec.decay)
        if done % self.period:
            return None
        order = torch.argsort(self.importance, descending=True, stable=True)
        self.importance = self.importance[order]
        return order

    def _atom_squares(self) -> Tensor:
        with torch.no_grad():
            return self.model.W_dec.square().sum(1).to("cpu", torch.float64)

    def state_dict(self) -> dict[str, Any]:
        return {"importance": self.importance}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.importance = state["importance"]


def active_values(codes: Codes) -> Tensor:
    """The positive code values of a batch, flat, without a gradient."""
    values = codes.values if isinstance(codes, SparseCodes) else codes.dense()
    values = values.detach()
    return values[values > 0]


def mean_squares(codes: Codes) -> Tensor:
    """Mean over tokens of the squared code of each latent: `[d_dict]`."""
    if isinstance(codes, SparseCodes):
        flat = codes.latents.reshape(-1)
        empty = torch.zeros(codes.d_dict, dtype=codes.values.dtype, device=codes.values.device)
        return empty.index_add(0, flat, codes.values.detach().square().reshape(-1)) / codes.n
    return codes.dense().detach().square().mean(0)
