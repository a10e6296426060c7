"""The windows of one latent: those that its explanation is made from, and those that the explanation is tested on.

A latent is active in a window where its largest code there is above zero. Of a dictionary with signed codes the
positive half is looked at, and a window in which it fires with either sign never counts as inactive. Top windows are
those with the largest codes; importance-weighted ones are drawn among the others in proportion to the square of their
largest code; inactive ones are drawn evenly.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from saebench.tasks.autointerp.params import (
    HELD_INACTIVE,
    HELD_TOP,
    HELD_WEIGHTED,
    LEAST_SHOWN,
    SHOWN_TOP,
    SHOWN_WEIGHTED,
)

Array = np.ndarray[Any, Any]

MARKED = 0.3
"""A token is marked where its code is above this share of the largest of the window (Paulo et al. 2024)."""


@dataclass(frozen=True)
class Example:
    """A window, and the places in it that are marked: where the latent fires, or as many others chosen at random."""

    window: int
    active: bool
    marked: tuple[int, ...]
    peak: float
    """Largest code, 0 where inactive."""


@dataclass(frozen=True)
class Examples:
    """What is shown of a latent."""

    shown: tuple[Example, ...]
    """For the explanation, by falling peak."""
    held_out: tuple[Example, ...]
    """For the tests, in random order."""
    windows: int
    """In which it is active."""


def examples_of(values: Array, draw: np.random.Generator) -> Examples | str:
    """The examples of a latent, or why there are none: "dead", "too rare" or "too dense".

    Args:
        values: its codes, `[windows, length]`.
        draw: makes the choices.
    """
    peaks = values.max(1).astype(np.float64)
    active = np.flatnonzero(peaks > 0)
    idle = np.flatnonzero((values == 0).all(1))
    if len(active) == 0:
        return "dead"
    if len(active) < HELD_TOP + HELD_WEIGHTED + LEAST_SHOWN:
        return "too rare"
    if len(idle) < HELD_INACTIVE:
        return "too dense"
    n_shown = min(SHOWN_TOP + SHOWN_WEIGHTED, len(active) - HELD_TOP - HELD_WEIGHTED)
    shown_top = ceil(n_shown * SHOWN_TOP / (SHOWN_TOP + SHOWN_WEIGHTED))
    ordered = active[np.argsort(-peaks[active], kind="stable")]
    top, rest = ordered[: HELD_TOP + shown_top], ordered[HELD_TOP + shown_top :]
    share = peaks[rest] ** 2
    weighted = draw.choice(rest, HELD_WEIGHTED + n_shown - shown_top, replace=False, p=share / share.sum())
    top = draw.permutation(top)
    inactive = draw.choice(idle, HELD_INACTIVE, replace=False)
    held = [active_example(values, window) for window in (*top[:HELD_TOP], *weighted[:HELD_WEIGHTED])]
    marks = ceil(np.mean([len(one.marked) for one in held]))
    held += [idle_example(values, window, marks, draw) for window in inactive]
    shown = [active_example(values, window) for window in (*top[HELD_TOP:], *weighted[HELD_WEIGHTED:])]
    return Examples(
        shown=tuple(sorted(shown, key=lambda one: (-one.peak, one.window))),
        held_out=tuple(held[place] for place in draw.permutation(len(held))),
        windows=len(active),
    )


def active_example(values: Array, window: int) -> Example:
    """A window with the marks where the latent fires."""
    peak = float(values[window].max())
    marked = np.flatnonzero(values[window] > MARKED * peak)
    return Example(int(window), True, tuple(marked.tolist()), peak)


def idle_example(values: Array, window: int, marks: int, draw: np.random.Generator) -> Example:
    """A window with marks at random places."""
    marked = np.sort(draw.choice(values.shape[1], marks, replace=False))
    return Example(int(window), False, tuple(marked.tolist()), 0.0)
