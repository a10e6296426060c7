"""Regularisers: terms beside the reconstruction, each with a name and a coefficient.

The coefficient in the block is the full one; the trainer may hand a present value in `state.coefficients[name]`.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from saebench.dictionaries.blocks.block import Block, block
from saebench.dictionaries.blocks.state import Pass
from saebench.dictionaries.entries import Entries
from saebench.errors import CompositionError


class Regulariser(Block, abc.ABC):
    """Base of the slot.

    Attributes:
        name: what `state.coefficients` and `TrainingPass.parts` call the term.
        coefficient: its full weight in the loss.
        shrinks_codes: the term can be made small by shrinking codes and growing atoms.
    """

    name: ClassVar[str]
    coefficient: float

    @property
    def shrinks_codes(self) -> bool:
        return False

    @abc.abstractmethod
    def term(self, seen: Pass) -> Tensor | None:
        """The scalar before its coefficient, or None where there is nothing to add in this step."""


@block("regulariser", "l1")
@dataclass(frozen=True)
class L1(Regulariser):
    """Mean over tokens of `sum_i w_i |f_i|`.

    Args:
        on: "codes", or "gate" for the positive part of a gated encoder's gate.
        weight: `w_i`: 1 ("one") or the norm of the atom ("atom_norm"; Anthropic, April 2024 update).
        per_prefix: averaged over the nested prefixes of the step, that is `w_i` times the fraction of prefixes that
            hold latent i (Nabeshima 2024).
    """

    coefficient: float
    on: Literal["codes", "gate"] = "codes"
    weight: Literal["one", "atom_norm"] = "one"
    per_prefix: bool = False

    name: ClassVar[str] = "l1"

    @property
    def shrinks_codes(self) -> bool:
        return self.weight == "one"

    def term(self, seen: Pass) -> Tensor:
        sizes = seen.values.abs() if self.on == "codes" else open_gate(seen)
        if self.weight == "atom_norm":
            sizes = sizes * seen.entries.per_latent(seen.weights["W_dec"].norm(dim=1))
        if self.per_prefix:
            latents = torch.arange(seen.entries.width, device=sizes.device)
            ends = torch.tensor(seen.prefixes, device=sizes.device)
            share = (latents.unsqueeze(1) < ends).to(sizes.dtype).mean(1)
            sizes = sizes * seen.entries.per_latent(share)
        return sizes.sum() / seen.entries.n


FLOOR = 1e-8
"""Codes are held above this inside a power, whose slope is unbounded at zero."""


@block("regulariser", "lp")
@dataclass(frozen=True)
class Lp(Regulariser):
    """Mean over tokens of `sum f_i^p` over active latents; `p` is `state.coefficients["p"]` where it is annealed.

    Karvonen et al. 2024, "Measuring progress in dictionary learning for language model interpretability", section 3.
    """

    coefficient: float
    p: float = 1.0

    name: ClassVar[str] = "lp"

    @property
    def shrinks_codes(self) -> bool:
        return True

    def term(self, seen: Pass) -> Tensor:
        power = seen.state.coefficients.get("p", self.p)
        sizes = seen.values.abs()
        return torch.where(sizes > 0, sizes.clamp(min=FLOOR).pow(power), 0).sum() / seen.entries.n


@block("regulariser", "l0")
@dataclass(frozen=True)
class L0(Regulariser):
    """Number of latents above their thresholds, with the rectangle-kernel gradient for the thresholds.

    `d L0 / d theta_i = -(1 / bandwidth) K((z_i - theta_i) / bandwidth)`, on both sides of the threshold
    (Rajamanoharan et al. 2024, "Jumping ahead", equation 12).

    Args:
        bandwidth: width of the kernel; the rule's own.
        target: None: the term is the mean over tokens of L0; a number: the term is `(mean L0 / target - 1)^2`.
    """

    coefficient: float
    bandwidth: float = 0.001
    target: float | None = None

    name: ClassVar[str] = "l0"

    def __post_init__(self) -> None:
        if self.target is not None and not self.target > 0:
            raise CompositionError(f"{self.target} is not positive", field="regulariser.l0.target")

    def term(self, seen: Pass) -> Tensor:
        theta = seen.entries.per_latent(seen.weights["threshold"])
        count: Tensor = _Count.apply(seen.pre.z.detach(), theta, self.bandwidth)  # type: ignore[no-untyped-call]
        mean = count / seen.entries.n
        return mean if self.target is None else (mean / self.target - 1).square()


@block("regulariser", "auxk")
@dataclass(frozen=True)
class AuxK(Regulariser):
    """Dead latents reconstruct what is left over (Gao et al. 2024, appendix A.2).

    The `min(d / 2, dead)` largest pre-activations among dead latents give e_hat, through a ReLU and without bias; the
    term is `mean ||e - e_hat||^2 / mean ||e - mean e||^2` with e the residual, which carries no gradient. Nothing is
    computed while no latent is dead.
    """

    coefficient: float = 1 / 32

    name: ClassVar[str] = "auxk"

    def term(self, seen: Pass) -> Tensor | None:
        dead = seen.state.dead().to(seen.x.device).nonzero().squeeze(1)
        slots = min(seen.x.shape[1] // 2, len(dead))
        if slots == 0:
            return None
        best = seen.hidden.index_select(1, dead).topk(slots, dim=1, sorted=False)
        tokens, places = (best.values > 0).nonzero(as_tuple=True)
        entries = Entries(seen.entries.n, seen.entries.width, dead[best.indices[tokens, places]], tokens)
        e_hat = entries.bag(seen.at(entries).z.relu(), seen.weights["W_dec"])
        e = seen.residual
        spread = (e - e.mean(0)).square().sum()
        return ((e - e_hat).square().sum() / spread).nan_to_num(0.0, posinf=0.0)


@block("regulariser", "gated_aux")
@dataclass(frozen=True)
class GatedAux(Regulariser):
    """The gate must be able to reconstruct by itself, through a frozen decoder.

    Mean of `||x - (ReLU(gate) sg(W_dec) + sg(b_dec))||^2`, sg: no gradient (Rajamanoharan et al. 2024, "Improving
    dictionary learning with gated sparse autoencoders", equation 8).
    """

    coefficient: float = 1.0

    name: ClassVar[str] = "gated_aux"

    def term(self, seen: Pass) -> Tensor:
        by_gate = seen.entries.bag(open_gate(seen), seen.weights["W_dec"].detach())
        return (seen.x - by_gate - seen.weights["b_dec"].detach()).square().sum(1).mean()


def open_gate(seen: Pass) -> Tensor:
    """The positive part of the gate at the entries."""
    if seen.pre.gate is None:
        raise ValueError("this encoder has no gate")
    return seen.entries.gate(seen.pre.gate.relu())


class _Count(torch.autograd.Function):
    """How many entries lie above theta, with the rectangle-kernel gradient for theta."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, theta: Tensor, bandwidth: float) -> Tensor:
        ctx.save_for_backward(z, theta)
        ctx.bandwidth = bandwidth
        return (z > theta).sum().to(z.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        z, theta = ctx.saved_tensors
        window = (z - theta).abs() < ctx.bandwidth / 2
        return None, -(grad / ctx.bandwidth) * window.to(z.dtype).sum_to_size(theta.shape), None
