"""Which features are on, and how strongly: a Gaussian copula, then the hierarchy from the roots down.

A feature is a candidate where a normal variable, made of common factors and a part of its own, exceeds its threshold.
A candidate below a parent that is off goes; of several candidates that exclude each other one stays, drawn fairly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse, special

from saebench.lm.synthetic.forest import NONE, Forest, grow
from saebench.lm.synthetic.presets import Preset, Zipf

Array = np.ndarray[Any, Any]
Pairs = tuple[Array, Array]
"""Samples and features."""

LARGEST_COMMON = 0.99
"""Largest share of a feature's variance that common factors may hold."""
ROUNDS = 200
"""Of the fixed point that gives candidates their probabilities."""
NODES, WEIGHTS = (part.astype(np.float64) for part in np.polynomial.legendre.leggauss(16))
"""Gauss-Legendre of 16 nodes: exact for up to 32 siblings."""


@dataclass(frozen=True, eq=False)
class Firing:
    """How the features of a world fire.

    Attributes:
        nominal: firing probabilities that the preset asks for, `[F]`.
        feasible: those that the forest allows, without correlation and before magnitudes, `[F]`.
        threshold: of the normal variable, `[F]`.
        factor: loadings on the common factors, `[F, rank]`.
        own: sd of each feature's own part, `[F]`.
        mean, sd: of magnitudes, `[F]`.
        forest: the trees.
        exclusive, scaled: what children do.
    """

    nominal: Array
    feasible: Array
    threshold: Array
    factor: Array
    own: Array
    mean: Array
    sd: Array
    forest: Forest
    exclusive: bool
    scaled: bool

    @property
    def features(self) -> int:
        """Number of features."""
        return len(self.nominal)

    def draw(self, stream: np.random.Generator, samples: int) -> sparse.csr_array:
        """Magnitudes `[samples, F]`, float64; what is stored is on."""
        noise = stream.standard_normal((samples, self.features), dtype=np.float32)
        bar, pull = self._own_bar
        common = stream.standard_normal((samples, len(pull)))
        candidate = noise > (bar - common @ pull if len(pull) else bar)

        magnitudes = np.zeros(noise.shape)
        row, place = candidate[:, self._free].nonzero()
        column = self._free[place]
        magnitudes[row, column] = self._sizes(stream, column)
        parts = [(row, column)]
        for families in self.forest.families:
            parts.append(self._below(stream, magnitudes, candidate, families))
        row, column = (np.concatenate(part) for part in zip(*parts, strict=True))
        made = sparse.csr_array((magnitudes[row, column], (row, column)), shape=noise.shape)
        made.eliminate_zeros()
        return made

    def _below(self, stream: np.random.Generator, magnitudes: Array, candidate: Array, families: Array) -> Pairs:
        """Settle the children of parents that are settled: fills `magnitudes`, returns what may be on."""
        above = self.forest.parent[families[:, 0]]
        row, family = (magnitudes[:, above] > 0).nonzero()
        pair, child = candidate[row[:, None], families[family]].nonzero()
        row, family = row[pair], family[pair]
        column = families[family, child]
        value = self._sizes(stream, column)
        rank = np.where(value > 0, stream.random(len(column)), -1.0)
        if self.exclusive:
            order = np.lexsort((rank, pair))
            last = np.append(pair[order][1:] != pair[order][:-1], True)[: len(order)]
            stays = np.sort(order[last])
            row, family, column, value = row[stays], family[stays], column[stays], value[stays]
        if self.scaled:
            parent = above[family]
            value = value * magnitudes[row, parent] / self.mean[parent]
        magnitudes[row, column] = value
        return row, column

    def _sizes(self, stream: np.random.Generator, column: Array) -> Array:
        """Magnitudes of candidates, one for each feature in `column`; 0 is no firing."""
        return np.maximum(self.mean[column] + self.sd[column] * stream.standard_normal(len(column)), 0.0)

    @cached_property
    def _free(self) -> Array:
        """Features without a parent, ascending."""
        return np.flatnonzero(self.forest.parent == NONE)

    @cached_property
    def _own_bar(self) -> tuple[Array, Array]:
        """What a feature's own noise must exceed, `[F]`, and what the common factors take off it, `[rank, F]`."""
        return self.threshold / self.own, np.ascontiguousarray((self.factor / self.own[:, None]).T)


def firing_of(preset: Preset, stream: np.random.Generator) -> Firing:
    """The firing of a world; `stream` draws loadings and sds.

    Raises:
        ConfigError: the hierarchy needs more features than there are.
    """
    size, shape = preset.features, preset.hierarchy
    forest = grow(size, shape)
    rank = ranks(forest, spread=shape is not None and shape.layout == "by_level")
    nominal = zipf(size, preset.firing)[rank]
    candidate, feasible = candidates(
        nominal, forest, shape is None or shape.exclusive, bool(shape and shape.compensated)
    )
    factor = stream.standard_normal((size, preset.correlation_rank)) * preset.correlation_scale
    square = np.square(factor).sum(1)
    factor *= np.sqrt(np.minimum(1.0, LARGEST_COMMON / np.maximum(square, 1e-300)))[:, None]
    own = np.sqrt(1.0 - np.square(factor).sum(1))
    sizes = preset.magnitudes
    sd = np.abs(sizes.sd_mean + sizes.sd_sd * stream.standard_normal(size))
    return Firing(
        nominal=nominal,
        feasible=feasible,
        threshold=-special.ndtri(candidate),
        factor=factor,
        own=own,
        mean=np.linspace(sizes.mean_first, sizes.mean_last, size)[rank],
        sd=sd,
        forest=forest,
        exclusive=bool(shape and shape.exclusive),
        scaled=bool(shape and shape.scaled),
    )


def ranks(forest: Forest, spread: bool) -> Array:
    """Rank of each feature in frequency, `[F]`: its own index, or, `spread`, so that features of trees, in order, and
    features outside lie evenly between each other."""
    inside = forest.depth != NONE
    if not spread:
        return np.arange(len(inside))
    place = np.empty(len(inside))
    for part in (inside, ~inside):
        place[part] = (np.arange(part.sum()) + 0.5) / max(part.sum(), 1)
    return np.argsort(np.argsort(place, kind="stable"), kind="stable")


def zipf(size: int, settings: Zipf) -> Array:
    """Nominal probabilities `[size]`, falling with the rank."""
    falling = np.arange(1, size + 1, dtype=np.float64) ** -settings.exponent
    span = falling[0] - falling[-1]
    share = (falling - falling[-1]) / span if span > 0 else np.ones(size)
    return np.asarray(settings.lowest + (settings.highest - settings.lowest) * share)


def candidates(nominal: Array, forest: Forest, exclusive: bool, compensated: bool) -> tuple[Array, Array]:
    """Probability that a feature is a candidate, and the firing probability that follows, each `[F]`.

    A candidate that its siblings exclude stays with probability E[1 / (1 + N)], N of them being candidates too, which
    is the integral over t in [0, 1] of prod_s (1 - p_s + p_s t). Compensated, the candidate probabilities solve
    p_i E_i = nominal_i / (firing probability of the parent), p_i at most 1.
    """
    candidate, fires = nominal.copy(), nominal.copy()
    for families in forest.families:
        above = fires[forest.parent[families[:, 0]]][:, None]
        wanted = nominal[families] / above
        p = np.minimum(wanted, 1.0) if compensated else nominal[families]
        if exclusive:
            for _ in range(ROUNDS if compensated else 0):
                p = np.minimum(wanted / _stays(p), 1.0)
        candidate[families] = p
        fires[families] = above * p * (_stays(p) if exclusive else 1.0)
    return candidate, fires


def _stays(p: Array) -> Array:
    """E[1 / (1 + N)] for each child, `[parents, branching]`; N counts candidates among its siblings."""
    t = (NODES + 1) / 2
    terms = 1 - p[..., None] + p[..., None] * t
    whole = terms.prod(1, keepdims=True)
    stays: Array = (whole / terms) @ (WEIGHTS / 2)
    return stays
