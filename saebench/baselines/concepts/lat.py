"""LAT: the axis along which random pairs of positive tokens differ."""

from __future__ import annotations

from typing import ClassVar

import torch

from saebench.baselines.concepts.direction import ConceptDirection, linear
from saebench.baselines.concepts.method import Lesson, NamedMethod
from saebench.baselines.concepts.principal import first_component


class Lat(NamedMethod):
    """Linear artificial tomography (Zou et al. 2023, arXiv 2310.01405) as AxBench does it.

    Positive tokens are shuffled and cut in two halves; the differences a_i - b_i are normalised, and the first
    component of them is the direction. Negatives are not read, but for its sign.
    """

    name: ClassVar[str] = "lat"

    def fit(self, lesson: Lesson) -> ConceptDirection:
        tokens = lesson.texts.flat[lesson.positive].double()
        order = torch.randperm(len(tokens), generator=lesson.generator("pairs"))
        half = len(tokens) // 2
        differences = tokens[order[:half]] - tokens[order[half : 2 * half]]
        lengths = differences.norm(dim=1, keepdim=True)
        differences = (differences / lengths.clamp(min=torch.finfo(torch.float64).tiny))[lengths[:, 0] > 0]
        axis = first_component(differences, lesson.number("lat"))
        return linear(axis, lesson.texts, lesson.y, what="the axis of differences", free_sign=True)
