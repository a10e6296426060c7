"""One vector a text: activations for the probes of the raw activation, codes for those of latents."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import sparse

from saebench.activations.sets import ActivationSet
from saebench.data.packing import PackedRows
from saebench.dictionaries.codes import Codes
from saebench.dictionaries.contract import Context, Dictionary
from saebench.errors import SubjectFailed
from saebench.tasks.contract import Bench
from saebench.tasks.sparse_probing.features import Values, is_sparse, values_of

Array = np.ndarray[Any, Any]

TEXTS = 512
"""Texts that are encoded at once where each is one token."""
ROWS = 32
"""Texts whose tokens are encoded at once."""


def raw_vectors(bench: Bench, rows: PackedRows, site: str, pooling: str) -> Array:
    """Activations `[n_rows, width]` float32: of the last token, or the mean over unmasked tokens."""
    if pooling == "last":
        return bench.last_tokens(rows, site)

    def make() -> dict[str, Array]:
        acts = bench.harvest(rows, site)
        means = [
            _averages(rows.mask[start : start + ROWS]) @ _tokens(acts, start).double().numpy()
            for start in range(0, rows.n_rows, ROWS)
        ]
        return {"values": np.concatenate(means).astype(np.float32)}

    return bench.artefact("mean activations of texts", {"rows": rows.fingerprint, "site": site}, make)["values"]


def latent_values(bench: Bench, dictionary: Dictionary, rows: PackedRows, site: str, pooling: str) -> Values:
    """Codes `[n_rows, d_dict]` of the last token of each text, or their means over its unmasked tokens.

    A dictionary that couples the tokens of a text reads it whole either way.

    Raises:
        SubjectFailed: codes of another number or width, or not finite.
    """
    coupled = dictionary.traits.sequence_coupled
    parts = []
    with torch.inference_mode():
        if pooling == "last" and not coupled:
            acts = torch.from_numpy(bench.last_tokens(rows, site))
            for part in torch.split(acts, TEXTS):
                codes = dictionary.encode(part.to(bench.lm.device, bench.lm.dtype))
                parts.append(_checked(codes, len(part), dictionary))
        else:
            stored = bench.harvest(rows, site)
            for start in range(0, rows.n_rows, ROWS):
                mask = rows.mask[start : start + ROWS]
                values = _token_values(bench, dictionary, stored, start, mask)
                weights = _averages(mask) if pooling == "mean" else _last(mask)
                pooled = weights @ values
                parts.append(pooled.tocsr() if is_sparse(pooled) else pooled)
    return parts[0] if len(parts) == 1 else _stacked(parts)


def _token_values(bench: Bench, dictionary: Dictionary, stored: ActivationSet, start: int, mask: Array) -> Values:
    """Codes of the unmasked tokens of some rows, in their order."""
    if not dictionary.traits.sequence_coupled:
        x = _tokens(stored, start).to(bench.lm.device, bench.lm.dtype)
        return _checked(dictionary.encode(x), len(x), dictionary)
    x = stored.block(start, start + len(mask)).to(bench.lm.device, bench.lm.dtype)
    on_device = torch.from_numpy(np.ascontiguousarray(mask)).to(x.device)
    positions = torch.arange(mask.shape[1], device=x.device).expand(mask.shape)
    codes = dictionary.encode(x, Context(on_device, positions))
    return _checked(codes, mask.size, dictionary)[np.flatnonzero(mask)]


def _tokens(stored: ActivationSet, start: int) -> torch.Tensor:
    stop = min(start + ROWS, stored.n_rows)
    mask = torch.from_numpy(np.ascontiguousarray(stored.mask[start:stop]))
    return stored.block(start, stop)[mask]


def _averages(mask: Array) -> Any:
    """Weights `[rows, tokens]` that average the unmasked tokens of each row."""
    counts = mask.sum(1)
    return sparse.csr_array(
        (np.repeat(1.0 / counts, counts), np.arange(counts.sum()), np.concatenate([[0], np.cumsum(counts)])),
        shape=(len(mask), int(counts.sum())),
    )


def _last(mask: Array) -> Any:
    """Weights `[rows, tokens]` that take the last unmasked token of each row."""
    ends = np.cumsum(mask.sum(1)) - 1
    return sparse.csr_array((np.ones(len(mask)), ends, np.arange(len(mask) + 1)), shape=(len(mask), int(mask.sum())))


def _checked(codes: Codes, n: int, dictionary: Dictionary) -> Values:
    if codes.n != n or codes.d_dict != dictionary.d_dict:
        raise SubjectFailed(
            f"encode gave codes of {codes.n} tokens over {codes.d_dict} latents, not of {n} over {dictionary.d_dict}"
        )
    return values_of(codes)


def _stacked(parts: list[Values]) -> Values:
    """Parts below each other; all dense where one is, since each batch of codes takes the form that is cheaper."""
    if all(is_sparse(part) for part in parts):
        return sparse.vstack(parts, format="csr")
    return np.concatenate([part.toarray() if is_sparse(part) else part for part in parts])
