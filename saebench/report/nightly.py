"""The report of a night as Markdown, for a job summary and for whoever is woken by it: what fell, and what now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from shlex import quote

from saebench.nightly.drift import Series
from saebench.nightly.golden import GoldenChange, Number
from saebench.nightly.night import Night, Request
from saebench.nightly.verdicts import Verdict
from saebench.report.numbers import DASH, decimals, fixed, interval
from saebench.stats import Difference, Estimate

MOST_ROWS = 20
"""Rows of a table; the rest stands in report.json."""
VERDICT_HEAD = ("Cell", "Reference", "Tonight", "Change, 95 % interval", "p (Holm)", "Under fresh seeds", "Margin")
GOLDEN_HEAD = ("Task", "Subject", "Metric", "Was", "Is")


def markdown(night: Night) -> str:
    """The whole report."""
    parts = [f"# Nightly {night.name}: {headline(night)}", about(night)]
    for kind, title in (("regressed", "Fell, and again under fresh seeds"), ("improved", "Rose, and again")):
        found = night.of_kind(kind)
        if found:
            parts += [f"## {title}", table(VERDICT_HEAD, [verdict_row(one) for one in found])]
    parts += golden_part(night)
    if night.failures:
        rows = [(text(one.subject), text(one.message)) for one in night.failures]
        parts += [f"## {count(len(rows), 'unit')} failed", table(("Subject", "What it said"), rows)]
    parts += open_part(night)
    parts += reasons_part(night)
    parts += drift_part(night.drift)
    if needs_a_look(night):
        parts += ["## What now", what_now(night)]
    return "\n\n".join(parts) + "\n"


def headline(night: Night) -> str:
    """The night in one line."""
    said = []
    for kind, word in (("regressed", "fell"), ("improved", "rose")):
        if found := night.of_kind(kind):
            said.append(f"{count(len(found), 'cell')} {word}")
    if night.golden:
        said.append(f"{count(len(night.golden), 'golden value')} changed")
    if night.lost:
        said.append(f"{count(len(night.lost), 'cell')} lost {'its' if len(night.lost) == 1 else 'their'} value")
    if night.failures:
        said.append(f"{count(len(night.failures), 'unit')} failed")
    if night.nothing_compared:
        return ", ".join([*said, "nothing could be compared"])
    for kind in ("inconclusive", "not comparable"):
        if found := night.of_kind(kind):
            said.append(f"{count(len(found), 'cell')} {kind}")
    if not night.of_kind("regressed"):
        said.insert(0, "no fall confirmed" if night.of_kind("inconclusive") else "nothing fell")
    return ", ".join(said)


def needs_a_look(night: Night) -> bool:
    """Whether somebody should do something."""
    return bool(night.of_kind("regressed") or night.golden or night.lost or night.failures or night.nothing_compared)


def about(night: Night) -> str:
    """What was compared with what, and the count of verdicts."""
    facts = night.reference.facts
    counts = [
        f"{len(found)} {kind}"
        for kind in ("regressed", "improved", "equivalent", "inconclusive", "not comparable")
        if (found := night.of_kind(kind))
    ]
    lines = [
        f"Panel {code(night.request.panel)} on suite {night.suite}, in {night.seconds / 60:.1f} minutes. "
        f"{count(len(night.verdicts), 'cell')}: {', '.join(counts) or 'none'}. "
        f"{count(night.golden_count, 'golden value')}: {len(night.golden)} changed.",
        f"Reference of {facts.made[:16].replace('T', ' ')} UTC by {text(facts.by)}: {text(facts.reason)}",
        f"Code: {facts.code} then, {night.code} now.",
    ]
    if night.replaced:
        lines.append(f"Other weights or settings than in the reference: {text(', '.join(night.replaced))}.")
    return "\n".join(f"- {line}" for line in lines)


def verdict_row(verdict: Verdict) -> tuple[str, ...]:
    """One confirmed change."""
    one = verdict.compared
    places = decimals([value for value in (one.difference, one.now, one.then) if value is not None])
    return (
        text(str(one.cell)),
        value_text(one.then, places),
        value_text(one.now, places),
        change_text(one.difference, places),
        p_text(verdict.p_adjusted),
        change_text(verdict.confirmation, places),
        fixed(one.margin.value, max(places, 3)) if one.margin.value is not None else DASH,
    )


def golden_part(night: Night) -> list[str]:
    """Exact values that are no longer what they were."""
    parts = []
    if night.redefined:
        names = ", ".join(night.redefined)
        parts.append(
            f"**Metric definitions of {names} changed under the same version.** A new meaning is a new version."
        )
    if night.golden:
        rows = [golden_row(one) for one in night.golden]
        parts.append(table(GOLDEN_HEAD, rows))
    return ["## Golden values", *parts] if parts else []


def golden_row(change: GoldenChange) -> tuple[str, ...]:
    """One golden value."""
    metric = f"{text(change.metric)} (worse)" if change.fell else text(change.metric)
    return change.task, text(change.subject), metric, number_text(change.then), number_text(change.now)


def number_text(number: Number | None) -> str:
    """A golden value, or why there is none."""
    if number is None:
        return "not there"
    return f"undefined: {text(number)}" if isinstance(number, str) else f"{number:.6g}"


def open_part(night: Night) -> list[str]:
    """Cells about which nothing can be said, each with what would have been seen."""
    found = night.of_kind("inconclusive")
    if not found:
        return []
    rows = []
    for verdict in found:
        one = verdict.compared
        places = decimals([value for value in (one.difference, one.now) if value is not None])
        rows.append((text(str(one.cell)), change_text(one.difference, places), text(verdict.reason)))
    head = ("Cell", "Change, 95 % interval", "Why it is open")
    return [f"## {count(len(found), 'cell')} inconclusive", table(head, rows)]


def reasons_part(night: Night) -> list[str]:
    """Cells that cannot be compared, by reason."""
    found = sorted(night.of_kind("not comparable"), key=lambda one: one.reason)
    if not found:
        return []
    rows = []
    for reason, members in groupby(found, key=lambda one: one.reason):
        cells = list(members)
        subjects = list(dict.fromkeys(f"{one.cell.subject} in {one.cell.task}" for one in cells))
        shown = ", ".join(subjects[:4]) + (f" and {len(subjects) - 4} more" if len(subjects) > 4 else "")
        rows.append((text(reason), str(len(cells)), text(shown)))
    return [f"## {count(len(found), 'cell')} not comparable", table(("Why", "Cells", "Of"), rows)]


def drift_part(drift: Sequence[Series]) -> list[str]:
    """What the history says; no alarm."""
    rows = []
    for one in drift:
        name = f"{one.last.metric} of {one.last.subject} in {one.last.task}"
        if one.prediction and one.prediction.outside:
            expected = f"{one.prediction.low:.4g} to {one.prediction.high:.4g}"
            rows.append((text(name), f"{one.last.value:.4g}, where {one.prediction.n} nights predict {expected}"))
        if one.step:
            said = f"{one.step.before:.4g} before, {one.step.after:.4g} since {one.step.night}"
            rows.append((text(name), f"{said} (p {p_text(one.step.p)})"))
    return ["## Drift over the nights (no alarm)", table(("Series", "What is seen"), rows)] if rows else []


def what_now(night: Night) -> str:
    """Commands for whoever reads this at night."""
    then, now = night.reference.facts.code.commit, night.code.commit
    steps = []
    if night.replaced:
        steps.append("Look first at what replaced the subjects that are others than in the reference.")
    if then and now and then != now:
        clean = then.removesuffix("-dirty"), now.removesuffix("-dirty")
        steps.append(f"What changed in the code: `git log --oneline {clean[0]}..{clean[1]}`")
    if night.failures:
        steps.append("What failed is named above; the same command again scores everything anew.")
    if night.golden:
        steps.append("Golden values have no noise: find the change, or raise the version of the task if it is meant.")
    steps.append(f"Results and per-item scores of tonight: {code(str(night.folder))}")
    accept = f"{command(night.request)} --update-reference --reason 'why they are right'"
    steps.append(f"If the new scores are right, make them the reference: {code(accept)}")
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))


def command(request: Request) -> str:
    """The command line of a request."""
    words = ["--panel", request.panel, "--suite", request.suite, "--out", str(request.out)]
    words += ["--reference", str(request.reference)] if request.reference else []
    machine = request.machine
    words += ["--device", machine.device] if machine.device != "auto" else []
    words += ["--dtype", machine.dtype] if machine.dtype else []
    return "saebench nightly " + " ".join(map(quote, words))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A pipe table of at most `MOST_ROWS` rows."""
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows[:MOST_ROWS])]
    more = len(rows) - MOST_ROWS
    return "\n".join(lines) + (f"\n\n{more} more in report.json." if more > 0 else "")


def value_text(value: Estimate | None, places: int) -> str:
    """A value, or why there is none."""
    if value is None:
        return DASH
    return fixed(value.value, places) if value.value is not None else text(value.undefined or "")


def change_text(change: Difference | None, places: int) -> str:
    """A difference with its interval."""
    if change is None or change.value is None:
        return DASH
    sign = "+" if change.value > 0 else ""
    ends = interval(change, places)
    return f"{sign}{fixed(change.value, places)}" + (f" {ends}" if ends else "")


def p_text(p: float | None) -> str:
    """A p that is not written as zero."""
    if p is None:
        return DASH
    return "below 0.0001" if p < 1e-4 else f"{p:.2g}"


def count(number: int, word: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def code(words: str) -> str:
    """As code; a backtick would end it."""
    return f"`{' '.join(words.replace('`', chr(39)).split())}`"


def text(words: str) -> str:
    """A stranger's words as plain text: no markup, no new cell, no new line."""
    return "".join(escaped(" ".join(words.split())))


def escaped(words: Iterable[str]) -> Iterable[str]:
    """Characters that Markdown would read, made harmless."""
    entities = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
    for character in words:
        yield f"\\{character}" if character in "\\`*[]|#!~" else entities.get(character, character)
