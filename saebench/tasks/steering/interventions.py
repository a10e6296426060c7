"""What is done to activations along a unit direction w, for rows that each have a direction and a strength."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from saebench.lm.steering import Edit

Mode = Literal["add", "clamp", "complement"]


def edit_of(mode: Mode, directions: Tensor, strengths: Tensor) -> Edit:
    """The edit of each row.

    add: h + s w. clamp: h + (s - <h, w>) w, which sets the component along w to s. complement: h - s (h - <h, w> w),
    which takes away the share s of everything but that component.

    Args:
        mode: which.
        directions: unit vectors `[rows, d]`.
        strengths: s of each row, `[rows]`.
    """

    def edit(acts: Tensor, rows: Tensor) -> Tensor:
        w = directions.to(acts.device, acts.dtype)[rows.to(directions.device)][:, None]
        s = strengths.to(acts.device, acts.dtype)[rows.to(strengths.device)][:, None, None]
        along = (acts * w).sum(-1, keepdim=True)
        if mode == "add":
            return acts + s * w
        if mode == "clamp":
            return acts + (s - along) * w
        return acts - s * (acts - along * w)

    return edit
