"""Geometry of a dictionary's latents: how close its nearest neighbours are."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

CHUNK = 512


def max_cosines(directions: Tensor) -> Tensor:
    """For each row the largest cosine with another row, `[n]` float32; needs at least two rows.

    Cosines are symmetric: each block on or above the diagonal is computed once, and serves its rows and its columns.

    Args:
        directions: `[n, d]`; a zero row has cosine 0 with everything.
    """
    unit = functional.normalize(directions.to(torch.float32), dim=1)
    parts = torch.split(unit, CHUNK)
    best = torch.split(torch.full((len(unit),), -torch.inf, device=unit.device), CHUNK)
    for place, part in enumerate(parts):
        for other in range(place, len(parts)):
            cosines = part @ parts[other].T
            if other == place:
                cosines.fill_diagonal_(-torch.inf)
            torch.maximum(best[place], cosines.amax(1), out=best[place])
            torch.maximum(best[other], cosines.amax(0), out=best[other])
    return torch.cat(best)
