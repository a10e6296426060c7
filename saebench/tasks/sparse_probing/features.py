"""From values on texts to the columns that a probe reads: ranking of latents, standardisation, principal axes.

Values `[n, width]` are an array, or a scipy CSR array where few are not zero; both have the same arithmetic.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import linalg, sparse

from saebench.dictionaries.codes import Codes, SparseCodes
from saebench.errors import SubjectFailed
from saebench.tasks.sparse_probing.validation import FloatArray, IntArray

Values = Any
"""An array or a CSR array, `[n, width]`."""
View = tuple[FloatArray, FloatArray]
"""Columns of the rows that a probe is fitted on, and of the rows that it is asked about."""

EPSILON = 1e-6
RANK = 1e-10
"""Principal axes with a smaller share of the largest variance are rounding."""


def values_of(codes: Codes) -> Values:
    """The values of codes on the CPU in float64: CSR where the codes are sparse.

    Raises:
        SubjectFailed: a code is not finite.
    """
    if isinstance(codes, SparseCodes):
        active = (codes.values != 0).cpu()
        rows = torch.arange(codes.n)[:, None].expand(active.shape)[active]
        data = codes.values.detach().cpu()[active].double()
        _finite(data)
        place = (rows.numpy(), codes.latents.cpu()[active].numpy())
        return sparse.coo_array((data.numpy(), place), shape=(codes.n, codes.d_dict)).tocsr()
    dense = codes.dense().detach().cpu().double()
    _finite(dense)
    return dense.numpy()


def is_sparse(values: Values) -> bool:
    """Whether values are a CSR array."""
    return bool(sparse.issparse(values))


def _finite(values: torch.Tensor) -> None:
    if not bool(torch.isfinite(values).all()):
        raise SubjectFailed("the codes hold NaN or an infinity")


def binary(values: Values) -> Values:
    """1 where a value is not zero."""
    return (values != 0).astype(np.float64)


def active_latents(values: Values) -> FloatArray:
    """Values that are not zero in each row, `[n]`."""
    return np.asarray((values != 0).sum(1), dtype=np.float64)


def class_gaps(values: Values, y: IntArray) -> FloatArray:
    """How far apart the class means of each column are, in units of the column's mean size where it is not zero."""
    weights = np.stack([y / y.sum(), (1 - y) / (1 - y).sum()])
    means = weights @ values
    sizes = np.asarray(abs(values).sum(0)) / (np.asarray((values != 0).sum(0)) + EPSILON)
    gaps: FloatArray = np.abs(means[0] - means[1]) / (sizes + EPSILON)
    return gaps


def best_latents(values: Values, y: IntArray, most: int) -> IntArray:
    """At most `most` columns with the largest class gaps, best first; ties go to the lower index."""
    return np.argsort(-class_gaps(values, y), kind="stable")[:most]


def standardised(fitted: Values, asked: Values, latents: IntArray) -> View:
    """Columns `latents`, centred and divided by their standard deviation on the fitted rows; constant ones become 0."""
    a, b = (_array(part[:, latents]) for part in (fitted, asked))
    mean = a.mean(0)
    scale = _inverse(a.std(0), mean)
    return (a - mean) * scale, (b - mean) * scale


def principal(fitted: Values, asked: Values) -> View:
    """All columns, standardised as above and turned to their principal axes, the widest first.

    Ridge regression and distances do not change under a rotation, and the weights of a ridge probe lie in the span of
    the rows that it is fitted on: nothing is lost, and there are at most as many columns as rows.
    """
    n, width = fitted.shape
    mean = np.asarray(fitted.mean(0))
    square = (fitted.multiply(fitted) if is_sparse(fitted) else fitted * fitted).mean(0)
    scale = _inverse(np.sqrt(np.maximum(np.asarray(square) - mean * mean, 0.0)), mean)
    if width <= n:
        a, b = ((_array(part) - mean) * scale for part in (fitted, asked))
        variances, axes = _eigen(a.T @ a)
        return a @ axes, b @ axes
    weighted: Any = sparse.diags_array(scale) if is_sparse(fitted) else scale
    a, b = ((part @ weighted if is_sparse(part) else part * weighted) for part in (fitted, asked))
    inner, across = _array(a @ a.T), _array(b @ a.T)
    # Inner products of centred rows, from those of rows as they are.
    column = inner.mean(0)
    across = across - across.mean(1, keepdims=True) - column + inner.mean()
    inner = inner - column[:, None] - column + inner.mean()
    variances, axes = _eigen(inner)
    length = np.sqrt(variances)
    return axes * length, across @ (axes / length)


def _eigen(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues above rounding, largest first, with their vectors as columns and the largest entry positive."""
    values, vectors = linalg.eigh(matrix)
    kept = np.flatnonzero(values > RANK * max(values[-1], 0.0))[::-1]
    vectors = vectors[:, kept]
    if vectors.shape[1]:
        largest = np.abs(vectors).argmax(0)
        vectors = vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return values[kept], vectors


def _inverse(deviation: FloatArray, mean: FloatArray) -> FloatArray:
    """1 / deviation, and 0 where the deviation is nothing but the rounding of a constant."""
    return np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > EPSILON * np.abs(mean))


def _array(values: Values) -> FloatArray:
    dense: FloatArray = values.toarray() if is_sparse(values) else np.asarray(values, dtype=np.float64)
    return dense
