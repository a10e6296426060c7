"""Absorption by construction: the parent is on, a child is on, the parent's latent is silent and the child's speaks for
both.

In a world it is known when parent p and child c are on, and how strongly. With e the part of d_p that is orthogonal to
d_c, scaled so that e . d_p = 1, a latent with code f and atom w adds f w . e to the parent: nothing if w = d_c, the
parent's whole magnitude if w holds as much of d_p as the two are worth together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from saebench.tasks.ground_truth.truth import Truth

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Absorbed:
    """Rates of each feature, `[F]`, 0 where they are not counted.

    Attributes:
        absorbed: of the samples with the parent and something below it on: those where the parent's latent is silent
            and the latent of something below carries the parent.
        silent: those where the parent's latent is silent.
        silent_alone: of the samples with the parent on and nothing below it: those where its latent is silent.
        counted: parents with a latent of their own and enough samples of the first kind, bool.
        counted_alone: and enough of the second kind.
    """

    absorbed: Array
    silent: Array
    silent_alone: Array
    counted: Array
    counted_alone: Array


def absorption(
    truth: Truth,
    codes: sparse.csc_array,
    atoms: Array,
    own: Array,
    closest: Array,
    *,
    carried: float,
    least: int,
) -> Absorbed:
    """Walk the parents.

    Args:
        truth: the evaluated samples.
        codes: `[n, L]`.
        atoms: as the decoder adds them, `[L, d]` float64, not scaled.
        own: the latent of each feature, `[F]`; -1 where it has none worth the name.
        closest: the latent nearest to each feature, `[F]`: what speaks for a child.
        carried: share of the parent's magnitude that counts as carried.
        least: parents need so many samples.
    """
    size = truth.features
    rates = {name: np.zeros(size) for name in ("absorbed", "silent", "silent_alone")}
    counted, counted_alone = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
    directions = truth.world.directions.astype(np.float64)
    for parent, below in truth.descendants.items():
        latent = int(own[parent])
        if latent < 0:
            continue
        samples, strength = _column(truth.magnitudes, parent, truth.n)
        silent = ~np.isin(samples, _column(codes, latent, truth.n)[0])
        with_child, absorbed = np.zeros(len(samples), dtype=bool), np.zeros(len(samples), dtype=bool)
        for child in below.tolist():
            here = np.isin(samples, _column(truth.magnitudes, child, truth.n)[0])
            with_child |= here
            speaker = int(closest[child])
            if speaker != latent:
                part = _adds(atoms[speaker], directions[parent], directions[child])
                code = _dense(codes, speaker, samples)
                absorbed |= here & silent & (code * part >= carried * strength)
        if with_child.sum() >= least:
            counted[parent] = True
            rates["absorbed"][parent] = absorbed[with_child].mean()
            rates["silent"][parent] = silent[with_child].mean()
        if (~with_child).sum() >= least:
            counted_alone[parent] = True
            rates["silent_alone"][parent] = silent[~with_child].mean()
    return Absorbed(**rates, counted=counted, counted_alone=counted_alone)


def _adds(atom: Array, parent: Array, child: Array) -> float:
    """What one unit of a latent adds to the parent beyond what the child itself has of it."""
    overlap = float(parent @ child)
    rest = parent - overlap * child
    return float(atom @ rest) / max(1 - overlap**2, 1e-12)


def _column(matrix: sparse.csc_array, place: int, n: int) -> tuple[Array, Array]:
    part = slice(matrix.indptr[place], matrix.indptr[place + 1])
    return matrix.indices[part], matrix.data[part]


def _dense(matrix: sparse.csc_array, place: int, rows: Array) -> Array:
    """Values of a column at some rows."""
    held, values = _column(matrix, place, matrix.shape[0])
    whole = np.zeros(matrix.shape[0])
    whole[held] = values
    return whole[rows]
