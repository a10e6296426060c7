"""Codes as a sparse matrix of scipy: for what compares latents over many tokens."""

from __future__ import annotations

from typing import Any

from scipy import sparse

from saebench.dictionaries.codes import Codes, SparseCodes


def as_csr(codes: Codes) -> Any:
    """Codes as scipy CSR `[n, d_dict]`, float32, without stored zeros."""
    if isinstance(codes, SparseCodes):
        tokens, slots = codes.values.nonzero(as_tuple=True)
        values, latents = (part[tokens, slots].cpu() for part in (codes.values.float(), codes.latents))
        places = (tokens.cpu().numpy(), latents.numpy())
        return sparse.csr_array((values.numpy(), places), shape=(codes.n, codes.d_dict))
    return sparse.csr_array(codes.dense().float().cpu().numpy())
