"""Which result of the reference belongs to which result of tonight, and why two that should may not be compared.

A cell is subject, task and version, parameters, data and eval_seed. The subject is told by its name: a dictionary that
was replaced under the same name is what a night is there to see. Weights of a dictionary, metric definitions and the
version of the code are provenance; everything else that decides a number must be equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from saebench.fingerprint import digest
from saebench.results.schema import ResultRecord
from saebench.results.scopes import scopes_of

PROVENANCE = {"subject", "metrics"}
"""Parts of a result's identity that a cell does not have."""
OF_A_SEED = {"eval_seed", "data"}
WORDS = {"lm": "language model weights", "mask_rule": "masking", "data": "data"}

NOT_SCORED = "it was not scored tonight"
NOT_THERE = "the reference does not have this subject and task"

Seeds = dict[int, ResultRecord]


@dataclass(frozen=True)
class Match:
    """One subject on one task: its results of tonight and of the reference, by eval_seed."""

    subject: str
    task: str
    setting: str
    """Parameters that tell it from other results of the task in the same suite."""
    tonight: Mapping[int, ResultRecord]
    reference: Mapping[int, ResultRecord]
    """The same seeds; empty where nothing corresponds."""
    reason: str = ""
    """Why they cannot be compared."""

    @property
    def key(self) -> str:
        """Digest of all that a cell is, and of its seeds: another one begins another history."""
        shown = self.tonight or self.reference
        return digest([self.subject, *(comparable(record) for _, record in sorted(shown.items()))])

    @property
    def same_subject(self) -> bool:
        """Whether the weights are the same, so that latents of both nights are the same latents."""
        return all(
            seed in self.reference and record.subject.fingerprint == self.reference[seed].subject.fingerprint
            for seed, record in self.tonight.items()
        )


def match(tonight: Iterable[ResultRecord], reference: Iterable[ResultRecord]) -> list[Match]:
    """Every subject and task of either side, sorted."""
    new, old = families(tonight), families(reference)
    settings = settings_of([record for family in (*new.values(), *old.values()) for record in family.values()])
    matches: list[Match] = []
    used: set[tuple[str, str] | None] = set()
    for place, own in new.items():
        first = next(iter(own.values()))
        found = place if place in old else nearest(first, old)
        theirs = old[found] if found else {}
        used.add(found)
        shared = {seed: record for seed, record in theirs.items() if seed in own}
        matches.append(Match(place[0], first.task, settings.get(first.id, ""), own, shared, obstacle(own, theirs)))
    for place, theirs in old.items():
        if place not in used:
            first = next(iter(theirs.values()))
            matches.append(Match(place[0], first.task, settings.get(first.id, ""), {}, theirs, NOT_SCORED))
    return sorted(matches, key=lambda one: (one.task, one.subject, one.setting))


def families(records: Iterable[ResultRecord]) -> dict[tuple[str, str], Seeds]:
    """Results by subject's name and everything comparable but seed and data."""
    found: dict[tuple[str, str], Seeds] = defaultdict(dict)
    for record in sorted(records, key=lambda record: record.id):
        rest = {part: value for part, value in comparable(record).items() if part not in OF_A_SEED}
        found[record.subject.name, digest(rest)][record.eval_seed] = record
    return {place: dict(sorted(seeds.items())) for place, seeds in found.items()}


def comparable(record: ResultRecord) -> dict[str, Any]:
    """The parts of a result's identity that must be equal."""
    return record.identity.model_dump(mode="json", exclude=PROVENANCE)


def settings_of(records: Iterable[ResultRecord]) -> dict[str, str]:
    """Result id to the parameters in which it differs from others of its task."""
    return {
        record.id: scope.setting
        for scope, entrants in scopes_of(records).items()
        for entrant in entrants
        for record in entrant.records
    }


def nearest(record: ResultRecord, old: Mapping[tuple[str, str], Seeds]) -> tuple[str, str] | None:
    """The family of the same subject and task, in any version, that differs in the fewest parts."""
    task = record.task.partition("@")[0]
    candidates = [
        place
        for place, seeds in old.items()
        if place[0] == record.subject.name and next(iter(seeds.values())).task.partition("@")[0] == task
    ]
    return min(candidates, key=lambda place: len(differing(record, next(iter(old[place].values())))), default=None)


def obstacle(own: Seeds, theirs: Seeds) -> str:
    """Why results cannot be compared; empty where they can."""
    if not theirs:
        return NOT_THERE
    missing = [str(seed) for seed in own if seed not in theirs]
    changes = [change for seed, record in own.items() if seed in theirs for change in differing(record, theirs[seed])]
    if not changes and missing:
        first, old = next(iter(own.values())), next(iter(theirs.values()))
        changes = [change for change in differing(first, old) if not change.startswith(WORDS["data"])]
        changes.append(f"the reference does not have eval_seed {', '.join(missing)}")
    return "; ".join(dict.fromkeys(changes))


def differing(new: ResultRecord, old: ResultRecord) -> list[str]:
    """Parts in which two results of different nights must not differ, and do; seeds left aside."""
    ours, theirs = comparable(new), comparable(old)
    changes = []
    for part in ours:
        if ours[part] == theirs[part] or part == "eval_seed":
            continue
        if part == "params":
            changes += inner("parameter", theirs[part], ours[part])
        elif part == "packing":
            changes += inner("packing", theirs[part], ours[part])
        elif part == "data":
            names = [name for name in {**theirs[part], **ours[part]} if theirs[part].get(name) != ours[part].get(name)]
            changes.append(f"data changed: {', '.join(names)}")
        elif part in {"lm", "tokenizer", "mask_rule"}:
            changes.append(f"{WORDS.get(part, part)} changed")
        else:
            changes.append(f"{part} was {theirs[part]}, is {ours[part]}")
    return changes


def inner(word: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Changes inside a mapping."""
    return [
        f"{word} {name} was {old.get(name)}, is {new.get(name)}"
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    ]
