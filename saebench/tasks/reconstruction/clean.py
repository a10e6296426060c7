"""The clean distribution of a block, and how far another continuation is from it.

Logits are walked a few positions at a time, so that they stay in the processor's cache from one operation to the
next, and at the positions alone whose loss somebody counts. With z_v = logits less the largest of their position and
s = sum_v exp z_v, the loss of token v is log s - z_v, and

    KL(clean || other) = sum_v p_v (z_v - z'_v) + log s' - log s

where the primes are the other continuation's: exactly 0 between equals, and accurate between continuations that
hardly differ, since log s is float64. Logits are finite, so a probability that underflows to 0 adds 0, never NaN.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from saebench.tasks.reconstruction.sums import Array

CACHED = 2**19
"""Logits held at a time on a CPU: 2 MB."""

AT_ONCE = 2**24
"""Logits held at a time elsewhere, where few large operations are better than many small ones."""


@dataclass(frozen=True)
class Counted:
    """The `n` positions of a block whose loss is counted."""

    positions: Tensor
    """`[n]` int64: places in the rows, laid end to end."""
    targets: Tensor
    """`[n]` int64: the token that comes next."""

    def walk(self, logits: Tensor) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
        """Logits `[rows, context, vocabulary]` at the counted positions, `m` of them at a time.

        Where all rows continue alike, one row stands for them.

        Yields:
            which of the `n` they are; z `[m, vocabulary]` float32; log s and the loss in nats, each `[m]` float64 on
            the CPU.
        """
        flat = logits.flatten(0, 1)
        step = max(1, (CACHED if logits.device.type == "cpu" else AT_ONCE) // flat.shape[1])
        for start in range(0, len(self.positions), step):
            here = slice(start, start + step)
            z = flat.index_select(0, self.positions[here] % len(flat)).float()
            z -= z.amax(1, keepdim=True)
            log_s = z.exp().sum(1).cpu().double().log()
            yield here, z, log_s, log_s - z.gather(1, self.targets[here, None])[:, 0].cpu().double()

    def losses(self, logits: Tensor) -> Array:
        """Loss of a continuation, `[n]` float64, in nats."""
        losses = np.empty(len(self.positions))
        for here, _, _, loss in self.walk(logits):
            losses[here] = loss
        return losses


@dataclass(frozen=True)
class Clean:
    """The untouched model's next-token distributions at the counted positions of a block."""

    counted: Counted
    log_p: Tensor
    """z, the log-probabilities before they are normalised, `[n, vocabulary]` float32."""
    p: Tensor
    """`[n, vocabulary]` float32."""
    log_s: Tensor
    """`[n]` float64, on the CPU."""
    losses: Array
    """`[n]` float64, in nats."""

    @classmethod
    def of(cls, logits: Tensor, counted: Counted) -> Clean:
        """From the logits `[rows, context, vocabulary]` of the clean continuation."""
        n = len(counted.positions)
        log_p = torch.empty(n, logits.shape[-1], device=logits.device)
        p, log_s, losses = torch.empty_like(log_p), torch.empty(n, dtype=torch.float64), np.empty(n)
        for here, z, log_s[here], losses[here] in counted.walk(logits):
            log_p[here] = z
            torch.softmax(z, 1, out=p[here])
        return cls(counted, log_p, p, log_s, losses)

    def against(self, logits: Tensor) -> tuple[Array, Array]:
        """Loss of another continuation and KL(clean || other), each `[n]` float64, in nats."""
        losses, divergences = np.empty(len(self.losses)), np.empty(len(self.losses))
        for here, log_q, log_s, losses[here] in self.counted.walk(logits):
            log_p = self.log_p[here]
            moved = (log_p - log_q).mul_(self.p[here]).sum(1).cpu().double()
            divergences[here] = moved + log_s - self.log_s[here]
        return losses, divergences
