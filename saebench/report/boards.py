"""From results to boards: one for each kind of subject at each site of a model, ordered by model, site and kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from saebench.fingerprint import digest
from saebench.report.aggregate_group import aggregate_group, worth_showing
from saebench.report.groups import Items, Versions, better, group_of
from saebench.report.view import Board, Group, Row, Status, kind_of
from saebench.results.aggregates import Aggregate
from saebench.results.audits import AuditRecord
from saebench.results.schema import ResultRecord
from saebench.results.scopes import Entrant, Scope, scopes_of, subject_names
from saebench.results.sparsity import MEASURED_BY, SPARSITY, Sparsity, band_of
from saebench.results.store import slug
from saebench.stats import Estimate
from saebench.tasks.contract import Card

SUBJECTS = {"dictionary": "dictionaries", "concept": "dictionaries", "set": "sets of seeds", "pair": "pairs",
            "recipe": "recipes"}  # fmt: skip
"""What stands in a row, by the kind of subject; concept methods stand beside dictionaries."""
NOWHERE = "no model"

Place = tuple[str, str, str]
"""Model, site, and what stands in a row."""


def boards_of(
    records: Sequence[ResultRecord],
    store: Items,
    *,
    cards: Mapping[str, Card],
    audits: Mapping[str, AuditRecord],
    versions: Versions,
    aggregates: Sequence[Aggregate] = (),
) -> list[Board]:
    """All boards.

    Args:
        records: results without duplicates.
        store: where their per-item scores are.
        cards: task name (`reconstruction@1`) to its card; a task without one shows bare names.
        audits: task name to its audit, for tasks that have one.
        versions: all runs of each result by id, oldest first.
        aggregates: over several tasks, each for one kind of subject at one place.
    """
    sparsity = Sparsity(records)
    places: dict[Place, dict[Scope, list[Entrant]]] = {}
    for scope, entrants in scopes_of(records).items():
        for entrant in entrants:
            what = SUBJECTS[entrant.kind]
            place = (scope.lm or NOWHERE, scope.site or "", what)
            places.setdefault(place, {}).setdefault(scope, []).append(entrant)
    boards = []
    for place, scopes in sorted(places.items(), key=lambda item: item[0]):
        ids = _ids(list(scopes))
        groups = tuple(
            group_of(
                scope,
                entrants,
                id=ids[scope],
                card=cards.get(scope.task),
                audit=audits.get(scope.task),
                store=store,
                sparsity=sparsity,
                versions=versions,
            )
            for scope, entrants in scopes.items()
        )
        means = _means(place, aggregates, records)
        boards.append(_board(place, (*means, *groups), scopes, sparsity))
    return boards


def _means(place: Place, aggregates: Sequence[Aggregate], records: Sequence[ResultRecord]) -> list[Group]:
    """The aggregate of a place, where it has one that says something."""
    own = [
        one
        for one in aggregates
        if (one.comparison.scope.lm or NOWHERE, one.comparison.scope.site or "", SUBJECTS[one.kind]) == place
    ]
    shown = sorted(filter(worth_showing, own), key=lambda one: -len(one.comparison.rows))[:1]
    fingerprints = {name: fingerprint for fingerprint, name in subject_names(records).items()}
    kinds = {record.subject.fingerprint: kind_of(record) for record in records}
    trained = {name: kinds[fingerprint] == "trained" for name, fingerprint in fingerprints.items()}
    return [aggregate_group(one, fingerprints, trained) for one in shown]


def _ids(scopes: Sequence[Scope]) -> dict[Scope, str]:
    """`suite/task@version`, with the start of the scope's key where several are alike."""
    plain = {scope: f"{scope.suite}/{scope.task}" for scope in scopes}
    alike = Counter(plain.values())
    return {scope: name if alike[name] == 1 else f"{name}/{scope.key[:6]}" for scope, name in plain.items()}


def _board(
    place: Place, groups: tuple[Group, ...], scopes: Mapping[Scope, Sequence[Entrant]], sparsity: Sparsity
) -> Board:
    entrants = [entrant for members in scopes.values() for entrant in members]
    records: dict[str, list[ResultRecord]] = {}
    for entrant in entrants:
        records.setdefault(entrant.fingerprint, []).extend(entrant.records)
    names = subject_names([record for own in records.values() for record in own])
    rows = [_row(names[one], place, own, sparsity) for one, own in records.items()]
    model, site, subjects = place
    id = "/".join(slug(part) for part in place if part)
    board = Board(id, model, site, subjects, groups, ())
    leading = board.leading
    return replace(
        board,
        groups=tuple(sorted(groups, key=lambda group: group is not leading)),
        rows=tuple(sorted(rows, key=lambda row: _best_first(row, leading))),
    )


def _row(name: str, place: Place, records: Sequence[ResultRecord], sparsity: Sparsity) -> Row:
    first = records[0]
    subject = first.subject
    seed = subject.provenance.get("train_seed")
    l0 = _l0(records, sparsity)
    return Row(
        fingerprint=subject.fingerprint,
        name=name,
        page=f"{slug(name)}-{digest([*place, subject.fingerprint])[:8]}",
        kind=kind_of(first),
        architecture=subject.architecture,
        latents=subject.d_dict,
        seed=seed if isinstance(seed, int) else None,
        recipe=digest([subject.architecture, subject.d_dict, {**subject.provenance, "train_seed": None}]),
        l0=l0,
        band=None if l0 is None or l0.value is None else band_of(l0.value),
        status=_status({record.submission.status for record in records if record.submission}),
    )


def _l0(records: Sequence[ResultRecord], sparsity: Sparsity) -> Estimate | None:
    """With the interval of the one result that says it, where it is one."""
    plain = [record for record in records if record.task.partition("@")[0] == MEASURED_BY]
    value = sparsity.of(plain or records[:1])
    if value is None:
        return None
    said = (record.metrics.get(SPARSITY) for record in records)
    found = next((metric for metric in said if metric and metric.value == value), None)
    if found is None:
        return Estimate(value, None, None, 0, "no single result has this L0")
    return Estimate(value, found.low, found.high, found.n, found.undefined)


def _status(found: set[Literal["self-reported", "reproduced"]]) -> Status:
    """One number that only its author reports makes the whole row so."""
    return min(found, key=lambda status: status != "self-reported", default="")


def _best_first(row: Row, group: Group) -> tuple[Any, ...]:
    """Subjects of the leading group by its headline, then those without a value, then the others, by name."""
    entry = group.entries.get(row.fingerprint)
    if entry is None or group.headline is None:
        return (2, 0.0, row.name, row.fingerprint)
    value = entry.values[group.headline].value
    if value is None:
        return (1, 0.0, row.name, row.fingerprint)
    return (0, better(value, group.columns[group.headline].metric.direction), row.name, row.fingerprint)
