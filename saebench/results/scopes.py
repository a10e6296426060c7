"""Which results may be compared: one task, scored on the same thing, several eval_seeds of a subject pooled."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from saebench.fingerprint import digest
from saebench.results.items import ItemTable
from saebench.results.schema import ResultRecord


@dataclass(frozen=True)
class Scope:
    """What compared results have in common."""

    suite: str
    task: str
    site: str | None
    lm: str | None
    """Name of the language model."""
    key: str
    """Digest of all that must be equal: task, metrics, parameters, site, model, packing, mask, dtype and data."""
    setting: str = ""
    """Parameters in which this scope differs from others of the same task, suite, model and site: "regime scarcity"."""


@dataclass(frozen=True)
class Entrant:
    """One subject in a scope, with one result for each eval_seed."""

    name: str
    """The subject's name, with the start of its fingerprint where another subject has the same."""
    records: tuple[ResultRecord, ...]

    @property
    def role(self) -> str | None:
        """A control's role; that of a group's members where they agree."""
        return self.records[0].subject.role

    @property
    def self_reported(self) -> bool:
        """Whether a submission sent some of its results and no run here agrees yet."""
        return any(one.submission is not None and one.submission.status == "self-reported" for one in self.records)

    @property
    def kind(self) -> str:
        """Dictionary, concept, set, pair or recipe."""
        return self.records[0].subject.kind

    @property
    def fingerprint(self) -> str:
        """The subject's."""
        return self.records[0].subject.fingerprint


def scopes_of(records: Iterable[ResultRecord]) -> dict[Scope, list[Entrant]]:
    """Results by what may be compared, both sorted.

    Results of different eval_seeds are pooled, on their different data, unless one eval_seed has several data: then
    each data set is a scope of its own.
    """
    families: dict[tuple[str, str], list[ResultRecord]] = defaultdict(list)
    for record in records:
        rest = record.identity.model_dump(mode="json", exclude={"subject", "eval_seed", "data", "batch_size"})
        families[record.suite, digest(rest)].append(record)
    found: dict[Scope, list[Entrant]] = {}
    for (suite, family), members in families.items():
        data = {(record.eval_seed, digest(record.identity.data)) for record in members}
        pooled = len(data) == len({seed for seed, _ in data})
        parts: dict[str, list[ResultRecord]] = defaultdict(list)
        for record in members:
            parts["" if pooled else digest([record.eval_seed, record.identity.data])].append(record)
        for part, chosen in parts.items():
            first = chosen[0]
            lm = first.model.name if first.model else None
            found[Scope(suite, first.task, first.site, lm, digest([family, part]))] = _entrants(chosen)
    told_apart = {_with_setting(scope, found): entrants for scope, entrants in found.items()}
    return dict(sorted(told_apart.items(), key=lambda item: _order(item[0])))


def _with_setting(scope: Scope, found: Mapping[Scope, Sequence[Entrant]]) -> Scope:
    """The scope with the parameters that tell it from its like."""
    place = (scope.suite, scope.task, scope.lm, scope.site)
    alike = [_params(found[one]) for one in found if (one.suite, one.task, one.lm, one.site) == place]
    own = _params(found[scope])
    differing = [name for name in sorted(own) if any(other.get(name) != own[name] for other in alike)]
    told = sorted((f"{name} {_short(own[name])}" for name in differing), key=lambda one: ("[" in one, one))
    return replace(scope, setting=", ".join(told))


def _params(entrants: Sequence[Entrant]) -> dict[str, Any]:
    return entrants[0].records[0].identity.params


def _short(value: Any, most: int = 40) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else f"{text[:most]}..."


def _order(scope: Scope) -> tuple[str, str, str, str, str, str]:
    return scope.suite, scope.task, scope.lm or "", scope.site or "", scope.setting, scope.key


def _entrants(records: Sequence[ResultRecord]) -> list[Entrant]:
    seeds_of: dict[str, dict[int, ResultRecord]] = defaultdict(dict)
    for record in sorted(records, key=lambda record: record.id):
        seeds_of[record.subject.fingerprint][record.eval_seed] = record
    return [
        Entrant(name, tuple(seeds_of[fingerprint][seed] for seed in sorted(seeds_of[fingerprint])))
        for fingerprint, name in subject_names(records).items()
    ]


def subject_names(records: Iterable[ResultRecord]) -> dict[str, str]:
    """A name for each subject by fingerprint, all different, in the order of the names.

    A subject that several runs called differently has the first of its shortest names; where two subjects would have
    one name, the start of the fingerprint tells them apart.
    """
    shortest: dict[str, tuple[int, str]] = {}
    for record in records:
        name = record.subject.name
        found = shortest.get(record.subject.fingerprint, (len(name), name))
        shortest[record.subject.fingerprint] = min(found, (len(name), name))
    ordered = sorted((name, fingerprint) for fingerprint, (_, name) in shortest.items())
    names = Counter(name for name, _ in ordered)
    return {fingerprint: name if names[name] == 1 else f"{name} {fingerprint[:6]}" for name, fingerprint in ordered}


def pool(tables: Mapping[int, ItemTable]) -> ItemTable:
    """One table from those of one or more eval_seeds: items are told apart by seed, clusters are not.

    An item has the same name however many seeds a subject has, so that subjects are paired on the seeds they share.
    A document that two seeds drew is one cluster, so that it is not counted as two independent ones.
    """
    parts = sorted(tables.items())
    names = set.intersection(*(set(table.columns) for _, table in parts))
    return ItemTable(
        tuple(f"{seed}/{item}" for seed, table in parts for item in table.items),
        tuple(cluster for _, table in parts for cluster in table.clusters),
        {name: np.concatenate([table.columns[name] for _, table in parts]) for name in sorted(names)},
        tuple(partner for _, table in parts for partner in table.partners),
    )
