"""Item tables, details and reasons of one subject, from what became of its latents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from saebench.tasks.autointerp.asking import Reading
from saebench.tasks.autointerp.card import CANDIDATES_TABLE, CARD, LATENTS, MEASURES, column
from saebench.tasks.autointerp.params import HELD, HELD_INACTIVE
from saebench.tasks.autointerp.scoring import SIDES, TESTS, Tested, describe, outcome
from saebench.tasks.contract import ItemTable, Scores

Columns = dict[str, np.ndarray[Any, Any]]


def finish(tested: Sequence[Tested], fates: Mapping[int, str], judge: str, prompts: int, seconds: float) -> Scores:
    """Scores of one subject.

    Args:
        tested: its latents, judged.
        fates: of every latent that was looked at: testable, dead, too rare or too dense.
        judge: who it was.
        prompts: their version.
        seconds: that it took.
    """
    names = tuple(f"latent {one.latent}" for one in tested)
    columns = columns_of(tested)
    looked_at = tuple(f"latent {latent}" for latent in fates)
    kinds = np.array(list(fates.values()))
    candidates = {"alive": (kinds != "dead").astype(float), "testable": (kinds == "testable").astype(float)}
    return Scores(
        tables={
            LATENTS: ItemTable(names, names, columns),
            CANDIDATES_TABLE: ItemTable(looked_at, looked_at, candidates),
        },
        details={
            "judge": judge,
            "prompts": prompts,
            "looked_at": dict(sorted(Counter(fates.values()).items())),
            "failures": dict(sorted(failures(tested).items())),
            "latents": [describe(one) for one in tested],
        },
        cost={"seconds": seconds},
        undefined=undefined_without_latents(candidates) if not tested else undefined(tested, columns),
    )


def columns_of(tested: Sequence[Tested]) -> Columns:
    """Columns of the latents' table."""
    rows = [row_of(one) for one in tested]
    return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else {})}


def row_of(one: Tested) -> dict[str, float]:
    """One latent."""
    asked = list(asked_of(one))
    row = {
        "held_out": float(HELD),
        "inactive": float(HELD_INACTIVE),
        "questions": float(len(asked)),
        "unanswered": float(sum(not reading.answered for reading in asked)),
        "answers": float(sum(reading.answered for reading in asked)),
        "unread": float(sum(reading.answered and reading.value is None for reading in asked)),
    }
    for test in TESTS:
        found = {side: outcome(one, test, side) for side in SIDES}
        both = float(all(made.answered for made in found.values()))
        row[column(test, "both", "answered")] = both
        for side, made in found.items():
            row |= {
                column(test, side, "answered"): float(made.answered),
                column(test, side, "unread"): float(made.unread),
                column(test, side, "balanced"): made.balanced,
                column(test, side, "accuracy"): made.accuracy,
                column(test, side, "paired"): both * made.balanced,
            }
    return row


def asked_of(one: Tested) -> Iterator[Reading[Any]]:
    """What became of each question about a latent."""
    if one.explanation is not None:
        yield one.explanation
    yield from one.answers.values()


def failures(tested: Sequence[Tested]) -> Counter[str]:
    """Why questions have no answer, counted."""
    readings = (reading for one in tested for reading in asked_of(one))
    return Counter(reading.answer.failure for reading in readings if not reading.answered)


def undefined_without_latents(candidates: Columns) -> dict[str, str]:
    """Why nothing can be said of a dictionary none of whose latents can be tested."""
    looked_at, alive = len(candidates["alive"]), int(candidates["alive"].sum())
    reason = f"none of the {looked_at} latents looked at can be tested: {alive} fire, each too rarely or too often"
    reasons = {metric.name: reason for metric in CARD.metrics if metric.table == LATENTS}
    return reasons if alive else {**reasons, "testable": f"none of {looked_at} latents fires"}


def undefined(tested: Sequence[Tested], columns: Columns) -> dict[str, str]:
    """Metrics that cannot be had, with the reason."""
    reasons: dict[str, str] = {}
    if not columns["answers"].any():
        reasons["unread"] = silence(tested, columns)
    for test in TESTS:
        lacking = {side: why_not(test, side, tested, columns) for side in SIDES}
        for side, ending in zip(SIDES, ("", "_shuffled"), strict=True):
            if reason := lacking[side]:
                reasons |= dict.fromkeys((f"{test}{measure}{ending}" for measure in MEASURES), reason)
        if reason := lacking["own"] or lacking["shuffled"]:
            reasons[f"{test}_gain"] = reason
        elif not columns[column(test, "both", "answered")].any():
            reasons[f"{test}_gain"] = silence(tested, columns)
    return reasons


def why_not(test: str, side: str, tested: Sequence[Tested], columns: Columns) -> str:
    """Why a test says nothing, "" where it does."""
    answered, unread = (int(columns[column(test, side, what)].sum()) for what in ("answered", "unread"))
    if answered and unread == answered:
        return f"none of {answered} answers can be read"
    if answered:
        return ""
    if side == "shuffled" and sum(one.explanation is not None and bool(one.explanation.value) for one in tested) == 1:
        return "one explanation alone: there is no other to shuffle it with"
    return silence(tested, columns)


def silence(tested: Sequence[Tested], columns: Columns) -> str:
    """How much of what was asked has no answer, and why."""
    why = ", ".join(f"{failure}: {count}" for failure, count in failures(tested).most_common())
    return f"{int(columns['unanswered'].sum())} of {int(columns['questions'].sum())} questions have no answer ({why})"
