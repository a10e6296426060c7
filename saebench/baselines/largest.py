"""The largest codes of a token."""

from __future__ import annotations

from torch import Tensor

from saebench.dictionaries.codes import DENSE_ABOVE, Codes, DenseCodes, SparseCodes


def largest(values: Tensor, k: int) -> Codes:
    """Of codes `[n, F]`, the `k` of each token that are largest in magnitude."""
    width = values.shape[1]
    if k == width:
        return DenseCodes(values)
    latents = values.abs().topk(k, dim=1).indices
    kept = values.gather(1, latents)
    if k > DENSE_ABOVE * width:
        return DenseCodes(values.new_zeros(values.shape).scatter_(1, latents, kept))
    return SparseCodes(kept, latents, width)
