"""A history as nightly keeps it, of a subject of the made-up panel."""

from __future__ import annotations

from leaderboard_records import SITE, TASK

from saebench.fingerprint import digest
from saebench.nightly.code import Code
from saebench.nightly.history import NightLine, Point

SAE = "topk-k32-s0"
WEIGHTS = "a" * 32
"""Of the language model that the made-up results were scored on."""


def night(day, *points, commit=None):
    return NightLine(
        night=f"2026-11-{day:02}T03-37-00Z",
        code=Code(saebench="0.1.0", commit=commit or f"{day:012x}"),
        points=points,
    )


def point(value, metric="fvu", series="one", name=SAE, **more):
    place = {"fingerprint": digest(name), "lm": WEIGHTS, "site": SITE}
    ends = {"low": value - 0.01, "high": value + 0.01}
    return Point(
        series=f"{series} {metric}", subject=name, task=TASK, metric=metric, value=value, **place | ends | more
    )


def three():
    return [night(day, point(value), point(1 - value, "kl")) for day, value in ((1, 0.30), (2, 0.34), (3, 0.32))]
