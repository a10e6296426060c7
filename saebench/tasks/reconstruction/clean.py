"""The clean distribution of a block, and how far another continuation is from it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Clean:
    """The untouched model's next-token distributions on a block, `[rows, context-1, vocabulary]` float32."""

    log_p: Tensor
    p: Tensor

    @classmethod
    def of(cls, logits: Tensor) -> Clean:
        """From the logits of the clean continuation."""
        log_p = torch.stack([row[:-1].float().log_softmax(-1) for row in logits])
        return cls(log_p, log_p.exp())

    def losses(self, tokens: Tensor) -> Tensor:
        """Loss of the clean continuation, `[rows, context-1]`, in nats."""
        return -self.log_p.gather(2, tokens[:, 1:, None])[:, :, 0]

    def against(self, logits: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of another continuation and KL(clean || other), each `[rows, context-1]`, in nats.

        KL = sum_v p_v (log p_v - log q_v), as one product a position, row by row, so that no more than one row is
        held twice. Logits are finite, so a probability that underflows to 0 adds 0 and never NaN.
        """
        losses, divergences = [], []
        for p, log_p, other, targets in zip(self.p, self.log_p, logits, tokens, strict=True):
            log_q = other[:-1].float().log_softmax(-1)
            losses.append(-log_q.gather(1, targets[1:, None])[:, 0])
            divergences.append(torch.bmm(p[:, None], (log_p - log_q)[:, :, None])[:, 0, 0])
        return torch.stack(losses), torch.stack(divergences)
