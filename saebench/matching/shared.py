"""Which latents two dictionaries share (Paulo & Belrose 2025, arXiv 2501.16615).

Decoder rows and encoder rows are assigned separately. A latent is shared where both assignments give it the same
partner and both cosines reach a threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saebench.matching.assignment import Assignment, assign
from saebench.matching.cosines import Array, UnitRows


@dataclass(frozen=True, eq=False)
class SharedFeatures:
    """For each of the min(n, m) matched latents, how well it is matched on both sides."""

    decoder: Assignment
    encoder: Assignment
    agree: Array
    """Both assignments give the same partner, bool `[pairs]`, in the order of `decoder`."""
    weakest: Array
    """The smaller of its two cosines where they agree, -1 where not; `[pairs]`."""

    def count(self, threshold: float) -> int:
        """Latents shared at a threshold."""
        return int((self.agree & (self.weakest >= threshold)).sum())

    def curve(self, thresholds: Sequence[float]) -> list[float]:
        """Shared fraction of the pairs at each threshold."""
        return [self.count(threshold) / len(self.agree) for threshold in thresholds]


def shared_features(
    decoders: tuple[UnitRows, UnitRows],
    encoders: tuple[UnitRows, UnitRows],
    *,
    signed: bool,
    decoder: Assignment | None = None,
) -> SharedFeatures:
    """Match two dictionaries by decoder rows and by encoder rows.

    Args:
        decoders: unit decoder rows of the one and of the other.
        encoders: unit encoder rows, as many.
        signed: as in `mcc`.
        decoder: the assignment of the decoders, where it was made before.

    Raises:
        ValueError: a dictionary has more rows on one side than on the other, or none.
    """
    for first, second in zip(decoders, encoders, strict=True):
        if len(first) != len(second) or not len(first):
            raise ValueError(
                f"{len(first)} decoder rows and {len(second)} encoder rows are not those of one dictionary"
            )
    made = decoder or assign(*decoders, signed=signed)
    other = assign(*encoders, signed=signed)
    partner = np.full(len(decoders[0]), -1, dtype=np.int64)
    cosine = np.full(len(decoders[0]), -1.0)
    partner[other.rows], cosine[other.rows] = other.columns, other.cosines
    agree = partner[made.rows] == made.columns
    weakest = np.where(agree, np.minimum(made.cosines, cosine[made.rows]), -1.0)
    return SharedFeatures(made, other, agree, weakest)
