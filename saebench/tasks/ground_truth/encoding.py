"""What a dictionary makes of the evaluated samples: its codes, and sums over documents."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse

from saebench.activations.sets import ActivationSet
from saebench.dictionaries.codes import Codes, SparseCodes
from saebench.dictionaries.contract import Dictionary
from saebench.errors import SubjectFailed
from saebench.token_means.means import blocks, encode

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Encoded:
    """Codes of the n evaluated samples over L latents.

    Attributes:
        codes: `[n, L]` float32; what is stored is active.
        error: squared distance of each reconstruction, `[n]` float64.
        spread: squared distance of each activation from the mean activation, `[n]` float64.
        seconds: of encoding and decoding.
    """

    codes: sparse.csc_array
    error: Array
    spread: Array
    seconds: float

    @property
    def fired(self) -> Array:
        """Samples on which each latent is active, `[L]`."""
        counts: Array = np.diff(self.codes.indptr)
        return counts

    def on(self) -> sparse.csc_array:
        """1 where a latent is active, `[n, L]` float64."""
        held = self.codes
        return sparse.csc_array((np.ones(held.nnz), held.indices, held.indptr), held.shape)

    def l0(self) -> Array:
        """Active latents of each sample, `[n]`."""
        counted: Array = np.bincount(self.codes.indices, minlength=self.codes.shape[0])
        return counted


@torch.inference_mode()
def encoded(
    dictionary: Dictionary, data: ActivationSet, rows_per_block: int, device: torch.device, dtype: torch.dtype
) -> Encoded:
    """Encode and decode every evaluated sample.

    Raises:
        SubjectFailed: codes or reconstructions have the wrong shape or are not finite.
    """
    mean = data.mean()
    codes, errors, spreads = [], [], []
    seconds = 0.0
    for block in blocks(data, rows_per_block, device):
        x = block.x[block.mask].to(dtype)
        began = time.perf_counter()
        found = encode(dictionary, block, dtype)
        decoded = dictionary.decode(found, x if dictionary.traits.needs_x_in_decode else None)
        seconds += time.perf_counter() - began
        if decoded.shape != x.shape:
            raise SubjectFailed(f"decode gave shape {tuple(decoded.shape)}, its site has {tuple(x.shape)}")
        if not bool(torch.isfinite(decoded).all()):
            raise SubjectFailed("the reconstruction holds NaN or an infinity")
        codes.append(stored(found))
        wide = x.cpu().double()
        errors.append((wide - decoded.cpu().double()).square().sum(1).numpy())
        spreads.append((wide - mean).square().sum(1).numpy())
    whole = sparse.csc_array(sparse.vstack(codes, format="csc"))
    return Encoded(whole, np.concatenate(errors), np.concatenate(spreads), seconds)


def stored(codes: Codes) -> sparse.csr_array:
    """Codes as a sparse matrix of the active ones, float32 on the CPU."""
    if not isinstance(codes, SparseCodes):
        return sparse.csr_array(codes.dense().float().cpu().numpy())
    values, latents = codes.values.float().cpu().numpy(), codes.latents.cpu().numpy()
    token, slot = values.nonzero()
    return sparse.csr_array((values[token, slot], (token, latents[token, slot])), shape=(codes.n, codes.d_dict))
