"""Cluster resampling weights: which clusters each bootstrap resample draws, and how often.

The weights depend on the names of the clusters and a seed alone, so every subject of a task that was scored
on the same documents is resampled in the same way, and differences between subjects keep their pairing.

With more than `MAX_GROUPS` clusters, clusters are first dealt at random into that many groups of equal size
(one more or less), and groups are resampled. The groups are independent of each other because clusters are,
and the sum over a group has the variance of its clusters' sum, so the spread between groups estimates the
same variance without bias; only its own error grows, to sqrt(2 / 1999) = 3 % (random groups method: Wolter,
Introduction to Variance Estimation, 2007, chapter 2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from saebench.fingerprint import digest

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]

RESAMPLES = 10_000
MAX_GROUPS = 2_000
CHUNK = 1_000
"""Resamples that are held as float64 at a time: 16 MB at 2,000 groups."""


@dataclass(frozen=True, eq=False)
class ClusterWeights:
    """Resampling of the clusters of one list of items."""

    names: tuple[str, ...]
    """Unique clusters, sorted."""
    member: IntArray
    """Cluster of each item, `[n_items]`, as an index into `names`."""
    group: IntArray
    """Group of each cluster, `[n_clusters]`; the cluster's own index when there are few."""
    n_groups: int
    resamples: int
    seed: str

    @property
    def n_clusters(self) -> int:
        """Unique clusters."""
        return len(self.names)

    def cluster_sums(self, values: FloatArray) -> FloatArray:
        """Sums of item values `[n_items, k]` over each cluster, `[n_clusters, k]`."""
        return _sums(values, self.member, self.n_clusters)

    def group_sums(self, sums: FloatArray) -> FloatArray:
        """Sums of cluster values `[n_clusters, k]` over each group, `[n_groups, k]`."""
        return _sums(sums, self.group, self.n_groups)

    def resample(self, values: FloatArray) -> FloatArray:
        """Total of each resample, `[resamples, k]`, of group values `[n_groups, k]`: one weights x values product."""
        counts = _multinomial_counts(self.n_groups, self.resamples, self.seed)
        return np.concatenate([chunk @ values for chunk in _chunks(counts)])

    def flip_signs(self, values: FloatArray) -> FloatArray:
        """Total of group values `[n_groups, k]` under random signs, `[resamples, k]`."""
        signs = _random_signs(self.n_groups, self.resamples, self.seed)
        return np.concatenate([chunk @ values for chunk in _chunks(signs)])


def cluster_weights(clusters: Sequence[str], *, resamples: int = RESAMPLES, seed: int | str) -> ClusterWeights:
    """Weights for items that belong to `clusters` (one name an item; order of items does not matter).

    The same clusters, number of resamples and seed give the same weights in any process.
    """
    names, member = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    key = digest({"seed": seed, "clusters": len(names)})
    n_groups = min(len(names), MAX_GROUPS)
    group = np.arange(len(names))
    if len(names) > MAX_GROUPS:
        # Ranks of random keys are a random permutation; dealing it in turn makes groups of equal size.
        group[np.argsort(_raw(len(names), key, "groups"), kind="stable")] = np.arange(len(names)) % n_groups
    return ClusterWeights(tuple(names.tolist()), member.astype(np.int64), group, n_groups, resamples, key)


def _sums(values: FloatArray, index: IntArray, length: int) -> FloatArray:
    columns = [np.bincount(index, weights=column, minlength=length) for column in values.T]
    return np.stack(columns, axis=1) if columns else np.zeros((length, 0))


def _raw(count: int, seed: str, purpose: str) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """64-bit words of a PCG64 stream. The raw stream never changes between numpy versions, so intervals do not."""
    return np.random.PCG64(int(digest([seed, purpose]), 16)).random_raw(count)


@lru_cache(maxsize=4)
def _multinomial_counts(n_groups: int, resamples: int, seed: str) -> np.ndarray[Any, np.dtype[np.int16]]:
    """How often each resample draws each group: `[resamples, n_groups]`, rows sum to `n_groups`."""
    counts = np.zeros((resamples, n_groups), dtype=np.int16)
    for start in range(0, resamples, CHUNK):
        rows = min(CHUNK, resamples - start)
        words = _raw(rows * n_groups, seed, f"draws from {start}")
        # The high 32 bits times n, shifted down, is uniform on 0..n-1 up to n / 2^32.
        drawn = ((words >> np.uint64(32)) * np.uint64(n_groups) >> np.uint64(32)).astype(np.int64)
        place = drawn + np.repeat(np.arange(rows) * n_groups, n_groups)
        counts[start : start + rows] = np.bincount(place, minlength=rows * n_groups).reshape(rows, n_groups)
    counts.flags.writeable = False
    return counts


@lru_cache(maxsize=4)
def _random_signs(n_groups: int, resamples: int, seed: str) -> np.ndarray[Any, np.dtype[np.int8]]:
    """Independent fair signs, `[resamples, n_groups]` of -1 and 1."""
    words = _raw(-(-resamples * n_groups // 64), seed, "signs").astype("<u8")
    bits = np.unpackbits(words.view(np.uint8), count=resamples * n_groups)
    signs = (2 * bits.astype(np.int8) - 1).reshape(resamples, n_groups)
    signs.flags.writeable = False
    return signs


def _chunks(table: np.ndarray[Any, Any]) -> Iterator[FloatArray]:
    for start in range(0, len(table), CHUNK):
        yield table[start : start + CHUNK].astype(np.float64)
