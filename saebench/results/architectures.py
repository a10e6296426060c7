"""Architectures side by side: the subjects of each are pooled over training seeds and sparsity.

Controls are left out. Subjects of one architecture and different width are different architectures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from saebench.errors import UnknownName
from saebench.registry import near_misses
from saebench.results.comparison import Field, fields_of
from saebench.results.metrics import CardLike
from saebench.results.pooled import PooledTests, PooledValues
from saebench.results.resampling import resample
from saebench.results.schema import ResultRecord
from saebench.results.scopes import Entrant
from saebench.results.sparsity import Band, Sparsity, band_of
from saebench.results.standings import Comparison, Entry, Pool, stand
from saebench.results.store import ResultStore
from saebench.stats import Estimate


def compare_architectures(
    records: Iterable[ResultRecord],
    store: ResultStore,
    card_of: Callable[[str], CardLike],
    *,
    base: str | None = None,
    metrics: Sequence[str] | None = None,
    sparsity: Sparsity | None = None,
) -> list[Comparison]:
    """One table for each scope and metric, one row an architecture.

    Args:
        records: results of any tasks, subjects and seeds.
        store: where their per-item scores are.
        card_of: the card of a task by its name `id@version`.
        base: architecture that the others are compared with, in those scopes that have it; None: no differences.
        metrics: names of metrics; None: each card's headline.
        sparsity: L0 of subjects where a task does not measure it; None: what `records` say.

    Raises:
        UnknownName: no scope has an architecture called `base`, or a task is not known to `card_of`.
        ResultsError: per-item scores are damaged or contradict each other.
    """
    fields = list(fields_of(records, store, card_of, base=None, metrics=metrics, sparsity=sparsity))
    pools = [pools_of(field) for field in fields]
    known = sorted({pool.name for found in pools for pool in found})
    if base is not None and base not in known:
        raise UnknownName("architecture", base, near_misses(base, dict.fromkeys(known)), known)
    return [_compare(field, found, base) for field, found in zip(fields, pools, strict=True) if found]


def pools_of(field: Field) -> list[Pool]:
    """The architectures among the subjects of a scope, by name; each with its subjects from sparse to dense."""
    widths = defaultdict(set)
    for entrant in field.entrants:
        widths[entrant.records[0].subject.architecture].add(entrant.records[0].subject.d_dict)
    pools: dict[str, dict[Band, tuple[str, ...]]] = defaultdict(dict)
    pairs = zip(field.entrants, field.contenders, strict=True)
    l0 = {entrant.name: contender.entry.l0 for entrant, contender in pairs if entrant.role is None}
    asked = [entrant for entrant in field.entrants if entrant.role is None]
    for entrant in sorted(asked, key=lambda one: (l0[one.name] is None, l0[one.name] or 0.0, one.name)):
        subject, density = entrant.records[0].subject, l0[entrant.name]
        own = pools[_name(entrant, several=len(widths[subject.architecture]) > 1)]
        band = None if density is None else band_of(density)
        own[band] = (*own.get(band, ()), entrant.name)
    return [Pool(name, pools[name]) for name in sorted(pools)]


def _name(entrant: Entrant, several: bool) -> str:
    subject = entrant.records[0].subject
    return f"{subject.architecture} {subject.d_dict}" if several else subject.architecture


def _compare(field: Field, pools: Sequence[Pool], base: str | None) -> Comparison:
    members = {one for pool in pools for own in pool.by_band.values() for one in own}
    contenders = {one.entry.name: one for one in field.contenders if one.entry.name in members}
    paired = field.metric.table in field.card.paired_by
    sampled, lacking = resample(field.metric, contenders, paired)
    sides = {
        pool.name: PooledValues({band: [sampled[one] for one in own] for band, own in pool.by_band.items()})
        for pool in pools
        if all(one in sampled for own in pool.by_band.values() for one in own)
    }
    reported = {one.name for one in field.entrants if one.self_reported}
    entries = [
        Entry(
            pool.name,
            sides[pool.name].estimate() if pool.name in sides else _undefined(pool, lacking),
            self_reported=any(one in reported for own in pool.by_band.values() for one in own),
        )
        for pool in pools
    ]
    made = stand(
        entries,
        PooledTests(list(sides.values())),
        list(sides),
        scope=field.scope,
        metric=field.metric.name,
        direction=field.metric.direction,
        ranked=field.metric.group != "legacy",
        paired=paired,
        base=base if base in {pool.name for pool in pools} else None,
    )
    return field.judged(replace(made, pools=tuple(pools)))


def _undefined(pool: Pool, lacking: Mapping[str, str]) -> Estimate:
    named = [f"{one}: {lacking[one]}" for own in pool.by_band.values() for one in own if one in lacking]
    return Estimate(None, None, None, 0, "; ".join(named))
