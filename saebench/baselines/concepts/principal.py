"""The first principal component of the tokens of positive texts."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from saebench.baselines.concepts.direction import ConceptDirection, linear
from saebench.baselines.concepts.method import Lesson, NamedMethod
from saebench.errors import DataError, SubjectFailed


class PrincipalDirection(NamedMethod):
    """The axis along which positive tokens vary most; negatives are not read, but for its sign."""

    name: ClassVar[str] = "pca_direction"
    order_free: ClassVar[bool] = True

    def fit(self, lesson: Lesson) -> ConceptDirection:
        tokens = lesson.texts.flat[lesson.positive]
        axis = first_component(tokens, lesson.number("pca"))
        return linear(axis, lesson.texts, lesson.y, what="the first component", free_sign=True)


def first_component(rows: Tensor, seed: int) -> Tensor:
    """The first principal component of centred rows `[n, d]`: `[d]` float64.

    Args:
        rows: at least two.
        seed: of scikit-learn's randomised solver, which it takes for very wide sites.

    Raises:
        DataError: fewer than two rows.
        SubjectFailed: all rows are alike.
    """
    from sklearn.decomposition import PCA

    if len(rows) < 2:
        raise DataError(f"{len(rows)} tokens have no principal component")
    if not bool((rows != rows[0]).any()):
        raise SubjectFailed(f"the first component of {len(rows)} rows that are alike has no direction")
    fitted = PCA(n_components=1, random_state=seed).fit(rows.double().numpy())
    return torch.from_numpy(fitted.components_[0])
