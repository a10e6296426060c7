"""What a world turns out to be: firing, magnitudes and geometry, measured on its samples and kept beside it.

Settings are not statistics: a child cannot fire more often than its parent, a magnitude that falls below zero is no
firing, correlation moves what the hierarchy lets through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from saebench.fingerprint import digest
from saebench.lm.synthetic.directions import nearest
from saebench.lm.synthetic.kept import Arrays, kept, kept_file
from saebench.lm.synthetic.world import World

Array = np.ndarray[Any, Any]

MEASURED = 65_536
"""Samples that are looked at: the first ones."""
AT_ONCE = 4_096
PARTNERS = 8
"""Partners that are kept of each feature."""
CHUNK = 1_024
SURE = 4.0
"""Standard errors above independence from which two features count as partners."""


@dataclass(frozen=True, eq=False)
class Realised:
    """Measured on `MEASURED` samples.

    Attributes:
        rate: share of samples on which a feature is on, `[F]`.
        mean, sd: of its magnitude where it is on, `[F]`; 0 where it never is.
        l0, l0_sd: features that are on in a sample.
        nearest: largest |cos| of its direction with another one, `[F]`.
        partners: the features that fire with it more often than chance, strongest first, int64 `[F, 8]`, filled
            with -1.
        phi: their correlation (of being on), `[F, 8]`, filled with 0.
    """

    rate: Array
    mean: Array
    sd: Array
    l0: float
    l0_sd: float
    nearest: Array
    partners: Array
    phi: Array


def realised(world: World) -> Realised:
    """The statistics of a world, measured once and kept on disk.

    Raises:
        StorageError: the cache cannot be written.
    """
    arrays = kept(_key(world), lambda: _measure(world))
    l0, l0_sd = (float(arrays[name]) for name in ("l0", "l0_sd"))
    rest = {name: array for name, array in arrays.items() if array.ndim}
    return Realised(l0=l0, l0_sd=l0_sd, **rest)


def is_measured(world: World) -> bool:
    """Whether the statistics are in the cache."""
    return kept_file(_key(world)).exists()


def summary(world: World) -> dict[str, Any]:
    """A few numbers for people, JSON values only."""
    found = realised(world)
    firing = world.firing
    children = firing.forest.parent >= 0
    return {
        "samples": MEASURED,
        "l0": round(found.l0, 3),
        "l0_nominal": round(float(firing.nominal.sum()), 3),
        "rate_lowest_median_highest": [round(float(one), 5) for one in np.quantile(found.rate, [0, 0.5, 1])],
        "silent_features": int((found.rate == 0).sum()),
        "children": int(children.sum()),
        "rate_of_children_to_nominal": (
            round(float(found.rate[children].sum() / firing.nominal[children].sum()), 3) if children.any() else None
        ),
        "nearest_cosine_mean_highest": [round(float(one), 3) for one in (found.nearest.mean(), found.nearest.max())],
        "strongest_correlation": round(float(found.phi.max(initial=0.0)), 3),
    }


def _key(world: World) -> str:
    return digest([world.fingerprint, "realised", MEASURED, PARTNERS, 1])


def _measure(world: World) -> Arrays:
    parts = [world.samples(np.arange(start, start + AT_ONCE)) for start in range(0, MEASURED, AT_ONCE)]
    magnitudes = sparse.csc_array(sparse.vstack(parts, format="csc"))
    fired = np.diff(magnitudes.indptr)
    some = np.maximum(fired, 1)
    mean = magnitudes.sum(0) / some
    sd = np.sqrt(np.maximum(magnitudes.power(2).sum(0) / some - mean**2, 0))
    l0 = np.bincount(magnitudes.indices, minlength=MEASURED)
    partners, phi = _partners(magnitudes, fired)
    return {
        "rate": fired / MEASURED,
        "mean": mean,
        "sd": sd,
        "l0": np.array(l0.mean()),
        "l0_sd": np.array(l0.std()),
        "nearest": nearest(world.directions),
        "partners": partners,
        "phi": phi,
    }


def _partners(magnitudes: sparse.csc_array, fired: Array) -> tuple[Array, Array]:
    """The strongest partners of each feature and their correlations; a few columns of the matrix at a time."""
    n, size = magnitudes.shape
    on = sparse.csc_array((np.ones(magnitudes.nnz, np.float32), magnitudes.indices, magnitudes.indptr), (n, size))
    spread = np.sqrt(np.maximum(fired * (n - fired), 1).astype(np.float64))
    partners, phi = np.full((size, PARTNERS), -1), np.zeros((size, PARTNERS))
    for start in range(0, size, CHUNK):
        stop = min(start + CHUNK, size)
        joint = (on[:, start:stop].T @ on).toarray()
        cosine = (n * joint - np.outer(fired[start:stop], fired)) / np.outer(spread[start:stop], spread)
        cosine[np.arange(stop - start), np.arange(start, stop)] = 0.0
        best = np.argsort(-cosine, axis=1, kind="stable")[:, :PARTNERS]
        value = np.take_along_axis(cosine, best, 1)
        sure = value > SURE / np.sqrt(n)
        partners[start:stop, : best.shape[1]] = np.where(sure, best, -1)
        phi[start:stop, : best.shape[1]] = np.where(sure, value, 0.0)
    return partners, phi
