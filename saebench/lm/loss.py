"""Loss and divergence of next-token predictions, position by position."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def per_token_loss(logits: Tensor, tokens: Tensor) -> Tensor:
    """Cross-entropy in nats of token t+1 as predicted at position t.

    Row by row, so that beside the logits no more than one row of them is held in float32.

    Args:
        logits: `[b, T, V]`, any floating dtype.
        tokens: int64 `[b, T]`.

    Returns:
        float32 `[b, T-1]`; entry t belongs to token t+1.
    """
    rows = [
        functional.cross_entropy(row[:-1].float(), targets[1:], reduction="none")
        for row, targets in zip(logits, tokens.to(logits.device), strict=True)
    ]
    return torch.stack(rows)


def kl_divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q) in nats at each position, from log-probabilities.

    sum_v p_v (log p_v - log q_v), with 0 log 0 = 0: a token whose probability under p underflows to zero, or whose
    log-probability is minus infinity, adds nothing. Where q is zero and p is not, the result is infinite.

    Args:
        log_p: `[..., V]`.
        log_q: `[..., V]`.

    Returns:
        `[...]` in the dtype of the arguments, never NaN for proper log-probabilities.
    """
    p = log_p.exp()
    return torch.where(p > 0, p * (log_p - log_q), 0.0).sum(-1)
