"""Non-negative least squares for many tokens at once, exact: block principal pivoting.

Portugal, Judice and Vicente 1994; Kim and Park 2011. Each token has a passive set P: g_P solves its normal equations,
g is 0 elsewhere. Coordinates that break the conditions of an optimum (a negative g in P, a negative slope
y = Q g - b outside) change sides together; when that stops helping, one at a time, which ends after finitely many
steps. The rare token that has not ended after `ROUNDS` is solved by SciPy's active-set method. A few sweeps of
coordinate descent choose the first passive set: they cost less than one round of solving.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import nnls as active_set
from torch import Tensor

ROUNDS = 100
TOLERANCE = 1e-10
"""What counts as negative, as a share of a token's largest |g| or |b|."""
RIDGE = 1e-9
"""Added to the diagonal, as a share of its mean, so that dependent atoms have one answer."""
PATIENCE = 3
"""Exchanges of whole blocks that may fail to help before coordinates move one by one."""
SWEEPS = 10
ELEMENTS = 2**23
"""Numbers in the systems that exist at once."""


def nnls(gram: Tensor, target: Tensor) -> Tensor:
    """argmin over g >= 0 of g^T Q g / 2 - b^T g, for each token; zeros are exact.

    Args:
        gram: Q, `[K, K]` for all tokens, or `[n, K, K]`; symmetric, positive semidefinite.
        target: b, `[n, K]`, finite.

    Returns:
        `[n, K]` in the dtype of `target`; computed in float64.
    """
    b = target.double()
    n, k = b.shape
    q = gram.double()
    diagonal = q.diagonal(dim1=-2, dim2=-1)
    q = q + torch.diag_embed(RIDGE * diagonal.mean(-1, keepdim=True).expand_as(diagonal))
    step = max(1, ELEMENTS // max(k * k, 1))
    parts = [_solve(q if q.ndim == 2 else q[at : at + step], b[at : at + step]) for at in range(0, n, step)]
    return torch.cat(parts).to(target.dtype) if parts else target.clone()


def _solve(q: Tensor, b: Tensor) -> Tensor:
    n, k = b.shape
    found = torch.zeros_like(b)
    passive = _guess(q, b)
    fewest = torch.full((n,), k + 1, device=b.device)
    patience = torch.full((n,), PATIENCE, device=b.device)
    scale = b.abs().amax(1, keepdim=True)
    open_ = torch.arange(n, device=b.device)
    values, slopes = _pivot(q, b, passive)
    for _ in range(ROUNDS):
        if not len(open_):
            break
        g, y, inside = values[open_], slopes[open_], passive[open_]
        size = g.abs().amax(1, keepdim=True)
        wrong = (inside & (g < -TOLERANCE * size)) | (~inside & (y < -TOLERANCE * scale[open_]))
        many = wrong.sum(1)
        done = many == 0
        found[open_[done]] = g[done].clamp(min=0)
        open_, inside, wrong, many = open_[~done], inside[~done], wrong[~done], many[~done]
        if not len(open_):
            break
        better = many < fewest[open_]
        single = ~better & (patience[open_] == 0)
        fewest[open_] = torch.where(better, many, fewest[open_])
        patience[open_] = torch.where(better, PATIENCE, (patience[open_] - 1).clamp(min=0))
        last = torch.zeros_like(wrong).scatter_(1, k - 1 - wrong.flip(1).int().argmax(1, keepdim=True), True)
        inside = inside ^ torch.where(single[:, None], last, wrong)
        passive[open_] = inside
        values[open_], slopes[open_] = _pivot(q if q.ndim == 2 else q[open_], b[open_], inside)
    for token in open_.tolist():
        found[token] = _one(q if q.ndim == 2 else q[token], b[token])
    return found


def _guess(q: Tensor, b: Tensor) -> Tensor:
    """The passive set after `SWEEPS` sweeps of projected coordinate descent from zero."""
    g = torch.zeros_like(b)
    diagonal = q.diagonal(dim1=-2, dim2=-1).clamp(min=torch.finfo(q.dtype).tiny)
    for _ in range(SWEEPS):
        for j in range(b.shape[1]):
            slope = (g @ q[:, j] if q.ndim == 2 else (g * q[:, j]).sum(1)) - b[:, j]
            g[:, j] = (g[:, j] - slope / diagonal[..., j]).clamp(min=0)
    return g > 0


def _pivot(q: Tensor, b: Tensor, passive: Tensor) -> tuple[Tensor, Tensor]:
    """g with its passive part solved and zero elsewhere, and its slopes Q g - b."""
    most = max(int(passive.sum(1).max()), 1)
    order = passive.int().argsort(dim=1, descending=True, stable=True)[:, :most]
    used = passive.gather(1, order)
    if q.ndim == 2:
        part = q[order[:, :, None], order[:, None, :]]
    else:
        rows = q.gather(1, order[:, :, None].expand(-1, -1, q.shape[2]))
        part = rows.gather(2, order[:, None, :].expand(-1, most, -1))
    part = torch.where(used[:, :, None] & used[:, None, :], part, 0) + torch.diag_embed((~used).to(q.dtype))
    right = torch.where(used, b.gather(1, order), 0)
    solved = torch.linalg.solve_ex(part, right[:, :, None])[0][:, :, 0]
    g = torch.zeros_like(b).scatter_(1, order, torch.where(used, solved, 0))
    image = g @ q if q.ndim == 2 else torch.bmm(q, g[:, :, None])[:, :, 0]
    return g, image - b


def _one(q: Tensor, b: Tensor) -> Tensor:
    """By way of a square root of Q: |R g - R^-T b|^2 has the same minimiser."""
    values, vectors = torch.linalg.eigh(q)
    root = values.clamp(min=float(values.max()) * RIDGE).sqrt()
    answer, _ = active_set((root[:, None] * vectors.T).cpu().numpy(), (vectors.T @ b / root).cpu().numpy())
    return torch.from_numpy(np.asarray(answer)).to(b)
