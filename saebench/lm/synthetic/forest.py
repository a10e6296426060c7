"""The hierarchy of a world as arrays: who is whose parent, how deep, in which tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from saebench.errors import ConfigError
from saebench.lm.synthetic.presets import Hierarchy

Array = np.ndarray[Any, Any]
NONE = -1


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees over the first of F features.

    Attributes:
        parent: int64 `[F]`, -1 for roots and for features outside every tree.
        depth: int64 `[F]`, 0 for roots, -1 outside every tree.
        root: int64 `[F]`, the root of its tree; the feature itself outside every tree.
        families: for each level below the roots the children of each parent, int64 `[parents, branching]`.
    """

    parent: Array
    depth: Array
    root: Array
    families: tuple[Array, ...]


def grow(features: int, shape: Hierarchy | None) -> Forest:
    """The forest of a world.

    Raises:
        ConfigError: the trees need more features than there are.
    """
    parent, depth, root = np.full(features, NONE), np.full(features, NONE), np.arange(features)
    if shape is None:
        return Forest(parent, depth, root, ())
    held = shape.roots * shape.tree
    if held > features:
        raise ConfigError(f"the trees hold {held} features, and there are {features}", field="hierarchy")
    levels = [np.arange(shape.roots)]
    start = shape.roots
    families = []
    for level in range(1, shape.depth + 1):
        above = levels[-1]
        size = len(above) * shape.branching
        places = start + np.arange(size)
        if shape.layout == "by_level":
            # The k-th children of all parents stand together: each parent has some frequent and some rare ones.
            children = places.reshape(shape.branching, len(above)).T
        else:
            children = places.reshape(len(above), shape.branching)
        parent[children] = above[:, None]
        root[children] = root[above][:, None]
        depth[children] = level
        families.append(children)
        levels.append(children.reshape(-1))
        start += size
    depth[levels[0]] = 0
    return Forest(parent, depth, root, tuple(families))
