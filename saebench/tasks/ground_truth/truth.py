"""The truth about the evaluated samples: which features are on, whose children they are, what goes with what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from saebench.activations.sets import ActivationSet
from saebench.errors import DataError, UsageError
from saebench.lm.model import LanguageModel
from saebench.lm.synthetic.model import SyntheticModel
from saebench.lm.synthetic.realised import Realised, realised
from saebench.lm.synthetic.tokenizer import sample_numbers
from saebench.lm.synthetic.world import World

Array = np.ndarray[Any, Any]

BANDS = ("rare", "middle", "frequent")
"""Thirds of the features by how often they fire in the world."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The evaluated samples of a world, n of them.

    Attributes:
        world: where they come from.
        measured: statistics of the world, from more samples than are evaluated.
        magnitudes: `[n, F]`; what is stored is on.
        documents: index of each sample's document, `[n]`.
        names: of the documents.
    """

    world: World
    measured: Realised
    magnitudes: sparse.csc_array
    documents: Array
    names: tuple[str, ...]

    @property
    def n(self) -> int:
        """Evaluated samples."""
        return int(self.magnitudes.shape[0])

    @property
    def features(self) -> int:
        """True features."""
        return self.world.features

    @cached_property
    def fired(self) -> Array:
        """Samples on which each feature is on, `[F]`."""
        counts: Array = np.diff(self.magnitudes.indptr)
        return counts

    @cached_property
    def on(self) -> sparse.csc_array:
        """1 where a feature is on, `[n, F]` float64."""
        held = self.magnitudes
        return sparse.csc_array((np.ones(held.nnz), held.indices, held.indptr), held.shape)

    @cached_property
    def band(self) -> Array:
        """Index into `BANDS` of each feature, `[F]`."""
        order = np.argsort(np.argsort(self.measured.rate, kind="stable"), kind="stable")
        return np.minimum(order * len(BANDS) // self.features, len(BANDS) - 1)

    @property
    def depth(self) -> Array:
        """Depth of each feature in its tree, `[F]`; -1 outside every tree."""
        return self.world.firing.forest.depth

    @cached_property
    def clusters(self) -> tuple[str, ...]:
        """Features of one tree are one cluster; any other is its own."""
        forest = self.world.firing.forest
        kinds = np.where(forest.depth >= 0, "tree", "feature")
        return tuple(f"{kind}-{root}" for kind, root in zip(kinds, forest.root, strict=True))

    @cached_property
    def descendants(self) -> dict[int, Array]:
        """All features below each feature that has children."""
        parent = self.world.firing.forest.parent
        found: dict[int, list[int]] = {}
        for feature in np.flatnonzero(parent >= 0).tolist():
            above = int(parent[feature])
            while above >= 0:
                found.setdefault(above, []).append(feature)
                above = int(parent[above])
        return {feature: np.array(found[feature]) for feature in sorted(found)}

    def counts(self) -> Array:
        """Features that are on in each sample, `[n]`."""
        counted: Array = np.bincount(self.magnitudes.indices, minlength=self.n)
        return counted


def world_of(lm: LanguageModel) -> World:
    """The world behind a model.

    Raises:
        UsageError: it is no synthetic world.
    """
    if not isinstance(lm, SyntheticModel):
        raise UsageError(
            f"ground_truth@1 needs a world whose features are known, and {lm.name} is a language model: "
            "run it with --lm synthetic:small (see 'saebench ls lms')"
        )
    return lm.world


def truth_of(lm: LanguageModel, data: ActivationSet) -> Truth:
    """The truth about a set's unmasked tokens, in their order.

    Raises:
        UsageError: the model is no synthetic world.
        DataError: no token is unmasked.
    """
    world = world_of(lm)
    mask = np.ascontiguousarray(data.mask)
    if not mask.any():
        raise DataError("no sample to evaluate", field=data.rows.name)
    magnitudes = sparse.csc_array(world.samples(sample_numbers(data.tokens[mask])))
    return Truth(world, realised(world), magnitudes, data.documents[mask], tuple(data.document_ids))
