"""Geometry of a dictionary's latents: how close its nearest neighbours are."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

CHUNK = 2048


def max_cosines(directions: Tensor) -> Tensor:
    """For each row the largest cosine with another row, `[n]` float32; needs at least two rows.

    Args:
        directions: `[n, d]`; a zero row has cosine 0 with everything.
    """
    unit = functional.normalize(directions.to(torch.float32), dim=1)
    best = torch.empty(len(unit), dtype=torch.float32, device=unit.device)
    for start in range(0, len(unit), CHUNK):
        part = unit[start : start + CHUNK] @ unit.T
        own = torch.arange(len(part), device=unit.device)
        part[own, own + start] = -torch.inf
        best[start : start + CHUNK] = part.max(dim=1).values
    return best
