"""The report of a night as JSON: everything that was decided, and an issue for each thing that wants a look."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from saebench.nightly.drift import Series
from saebench.nightly.night import Night
from saebench.nightly.verdicts import KINDS, Verdict
from saebench.report.nightly import (
    GOLDEN_HEAD,
    VERDICT_HEAD,
    golden_row,
    headline,
    markdown,
    table,
    verdict_row,
    what_now,
)
from saebench.results.atomic import write_bytes


def write_reports(night: Night, report: dict[str, Any]) -> None:
    """Write `report.json` and `report.md` into the night's folder.

    Raises:
        StorageError: the folder cannot be written.
    """
    text = json.dumps(report, indent=1, allow_nan=False, ensure_ascii=False)
    write_bytes(night.folder / "report.json", text.encode() + b"\n")
    write_bytes(night.folder / "report.md", markdown(night).encode())


def night_json(night: Night, exit_code: int) -> dict[str, Any]:
    """One object, without NaN."""
    facts = night.reference.facts
    return {
        "night": night.name,
        "headline": headline(night),
        "exit_code": exit_code,
        "panel": night.request.panel,
        "suite": night.suite,
        "seconds": night.seconds,
        "out": str(night.folder),
        "code": night.code.model_dump(),
        "reference": facts.model_dump(mode="json", exclude={"definitions"}) | {"folder": str(night.reference.folder)},
        "counts": {kind: len(night.of_kind(kind)) for kind in KINDS},
        "cells": [verdict_json(verdict) for verdict in night.verdicts],
        "golden": {
            "values": night.golden_count,
            "redefined": list(night.redefined),
            "changes": [asdict(change) for change in night.golden],
        },
        "drift": [series_json(one) for one in night.drift if one.prediction or one.step],
        "failures": [{"subject": failure.subject, "message": failure.message} for failure in night.failures],
        "issues": issues(night),
        "settled": settled(night),
    }


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """One cell."""
    one = verdict.compared
    return {
        **asdict(one.cell),
        "verdict": verdict.kind,
        "reason": verdict.reason or None,
        "direction": one.direction,
        "reference": one.then and asdict(one.then),
        "tonight": one.now and asdict(one.now),
        "difference": one.difference and {**asdict(one.difference), "p_adjusted": verdict.p_adjusted},
        "confirmation": verdict.confirmation and asdict(verdict.confirmation),
        "margin": asdict(one.margin),
        "detectable": verdict.detectable,
        "unchanged": one.same,
        "replaced": one.replaced,
        "lost": one.lost,
    }


def series_json(one: Series) -> dict[str, Any]:
    """The drift of one series."""
    return {
        "subject": one.last.subject,
        "task": one.last.task,
        "metric": one.last.metric,
        "kind": one.last.kind,
        "value": one.last.value,
        "nights": len(one.nights),
        "prediction": one.prediction and asdict(one.prediction),
        "step": one.step and asdict(one.step),
    }


def issues(night: Night) -> list[dict[str, str]]:
    """What wants a look, each with a title that is the same every night and what is known of it tonight.

    One for each cell that fell, and one for each task whose golden values changed.
    """
    found = [
        issue(f"{verdict.cell} fell", table(VERDICT_HEAD, [verdict_row(verdict)]), night)
        for verdict in night.of_kind("regressed")
    ]
    for task in dict.fromkeys(change.task for change in night.golden):
        rows = [golden_row(change) for change in night.golden if change.task == task]
        found.append(issue(f"golden values of {task} changed", table(GOLDEN_HEAD, rows), night))
    return found


def settled(night: Night) -> list[str]:
    """Titles of issues that tonight has an answer to: cells that are as they were or better, tasks without a change."""
    fine = [title(f"{verdict.cell} fell") for verdict in night.verdicts if verdict.kind in {"equivalent", "improved"}]
    changed = {change.task for change in night.golden}
    tasks = [task for task in night.reference.golden.values if task not in changed]
    return [*fine, *(title(f"golden values of {task} changed") for task in tasks)]


def title(what: str) -> str:
    """The same every night, without a number that moves."""
    return f"Nightly: {what}"


def issue(what: str, facts: str, night: Night) -> dict[str, str]:
    """Title and body."""
    return {"title": title(what), "body": f"Night {night.name}.\n\n{facts}\n\n{what_now(night)}\n"}
