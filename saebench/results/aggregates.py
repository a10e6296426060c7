"""One number over several tasks, which names its parts.

A task takes part by the metric that it is ranked by, where an audit found that metric sound. Its values are put on a
common scale (`saebench.results.common_scale`): 0 is the random control, 1 the oracle or raw-activation control. An
aggregate is the mean over tasks; several settings of one task share its weight. A subject without a place in one of
the parts has no aggregate, for means over different tasks cannot be compared.

All parts are resampled jointly: subjects and controls of a task share their clusters, and so do tasks that were scored
on the same ones. Ranks, tie letters and differences come from t-tests on the linearised parts
(`saebench.stats.combined`), Holm-adjusted over all pairs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from saebench.fingerprint import digest
from saebench.results.audits import audit_of
from saebench.results.common_scale import Competitor, PartScore, Scaled, on_common_scale
from saebench.results.comparison import contender_of
from saebench.results.metrics import CardLike, MetricLike, leading
from saebench.results.pair_tests import SampledTests
from saebench.results.schema import ResultRecord
from saebench.results.scopes import Entrant, Scope, scopes_of, subject_names
from saebench.results.sparsity import Sparsity
from saebench.results.standings import Comparison, Entry, stand
from saebench.results.store import ResultStore
from saebench.stats import Estimate
from saebench.stats.combined import estimate, weighted_sum

NAME = "aggregate"
PASSED = "sound"
"""The verdict of an audit with which a metric takes part."""


@dataclass(frozen=True)
class Part:
    """One task at one setting."""

    scope: Scope
    metric: str
    weight: float
    """Its share of the mean; all parts' weights sum to 1."""
    scores: Mapping[str, PartScore]
    """By subject."""


@dataclass(frozen=True)
class LeftOut:
    """A task that takes no part."""

    scope: Scope
    metric: str | None
    reason: str


@dataclass(frozen=True)
class Aggregate:
    """Subjects of one kind at one site of a model."""

    kind: str
    parts: tuple[Part, ...]
    left_out: tuple[LeftOut, ...]
    comparison: Comparison
    """One row a subject, with its interval, rank intervals, tie letters and difference to the base."""


@dataclass(frozen=True)
class _Chosen:
    """A task that takes part, before anything is computed."""

    scope: Scope
    entrants: Sequence[Entrant]
    metric: MetricLike
    paired: bool
    smallest: float | None
    """Smallest reliable difference by the audit."""


def aggregate_records(
    records: Iterable[ResultRecord],
    store: ResultStore,
    card_of: Callable[[str], CardLike],
    *,
    base: str | None = None,
    sparsity: Sparsity | None = None,
) -> list[Aggregate]:
    """One aggregate for each model, site and kind of subject.

    Args:
        records: results of any tasks, subjects and seeds.
        store: where their per-item scores and audits are.
        card_of: the card of a task by its name `id@version`.
        base: subject that the others are compared with, where an aggregate has it; None: no differences.
        sparsity: L0 of subjects; None: what `records` say.

    Raises:
        UnknownName: a task is not known to `card_of`.
        ResultsError: per-item scores are damaged or contradict each other.
    """
    records = list(records)
    known = sparsity or Sparsity(records)
    scopes = scopes_of(records)
    names = subject_names(records)
    groups: dict[tuple[str, str, str], dict[Scope, Sequence[Entrant]]] = {}
    for scope, entrants in scopes.items():
        for kind in sorted({entrant.kind for entrant in entrants if entrant.role is None}):
            groups.setdefault((scope.lm or "", scope.site or "", kind), {})[scope] = entrants
    aggregates = []
    for lm, site, kind in sorted(groups):
        found = groups[lm, site, kind]
        chosen, left_out = _choose(found, store, card_of)
        scaled = [_scale(one, names, store, known) for one in chosen]
        subjects = {names[one.fingerprint]: one for entrants in found.values() for one in entrants if one.kind == kind}
        scope = _scope(kind, list(found))
        l0 = {name: known.known(one.records[0]) for name, one in subjects.items()}
        parts = _parts(chosen, scaled, subjects)
        comparison = _compare(parts, scaled, subjects, l0, scope, base)
        aggregates.append(Aggregate(kind, parts, tuple(left_out), comparison))
    return aggregates


def _choose(
    scopes: Mapping[Scope, Sequence[Entrant]], store: ResultStore, card_of: Callable[[str], CardLike]
) -> tuple[list[_Chosen], list[LeftOut]]:
    """The tasks that take part, and those that do not."""
    chosen, left_out = [], []
    for scope, entrants in scopes.items():
        card = card_of(scope.task)
        metric = leading(card)
        audit = audit_of(card, store.root)
        found = audit.metric(metric.name) if audit and metric else None
        if metric is None:
            left_out.append(LeftOut(scope, None, "no metric of its headline has a direction"))
        elif card.unfit:
            left_out.append(LeftOut(scope, metric.name, f"not for ranking: {card.unfit}"))
        elif found is None:
            left_out.append(LeftOut(scope, metric.name, "not audited"))
        elif found.verdict != PASSED:
            left_out.append(LeftOut(scope, metric.name, f"audited as {found.verdict}: {'; '.join(found.reasons)}"))
        else:
            paired = metric.table in card.paired_by
            chosen.append(_Chosen(scope, entrants, metric, paired, found.smallest_reliable.value))
    return chosen, left_out


def _parts(
    chosen: Sequence[_Chosen], scaled: Sequence[Mapping[str, Scaled]], subjects: Iterable[str]
) -> tuple[Part, ...]:
    tasks = Counter(one.scope.task for one in chosen)
    return tuple(
        Part(
            one.scope,
            one.metric.name,
            1 / (len(tasks) * tasks[one.scope.task]),
            {name: own[name].score if name in own else NO_RESULT for name in sorted(subjects)},
        )
        for one, own in zip(chosen, scaled, strict=True)
    )


def _compare(
    parts: Sequence[Part],
    scaled: Sequence[Mapping[str, Scaled]],
    subjects: Mapping[str, Entrant],
    l0: Mapping[str, float | None],
    scope: Scope,
    base: str | None,
) -> Comparison:
    """The means of the subjects that have every part, side by side."""
    means = {}
    for name in sorted(subjects):
        found = [own[name].sampled if name in own else None for own in scaled]
        terms = [(part.weight, one) for part, one in zip(parts, found, strict=True) if one is not None]
        if terms and len(terms) == len(parts):
            means[name] = weighted_sum(terms)
    entries = [
        Entry(
            name,
            estimate(means[name]) if name in means else Estimate(None, None, None, 0, _lacking(parts, name)),
            l0[name],
            entrant.role is not None,
            entrant.self_reported,
        )
        for name, entrant in subjects.items()
    ]
    return stand(
        entries,
        SampledTests(list(means.values())),
        list(means),
        scope=scope,
        metric=NAME,
        direction="up",
        ranked=True,
        paired=True,
        base=base if base in subjects else None,
    )


def _scope(kind: str, scopes: Sequence[Scope]) -> Scope:
    suites = " + ".join(dict.fromkeys(scope.suite for scope in scopes))
    return Scope(suites, NAME, scopes[0].site, scopes[0].lm, digest([kind, *(scope.key for scope in scopes)]), kind)


NO_RESULT = PartScore(Estimate(None, None, None, 0, "no result"))


def _scale(one: _Chosen, names: Mapping[str, str], store: ResultStore, sparsity: Sparsity) -> dict[str, Scaled]:
    tables = {record.id: store.items(record) for entrant in one.entrants for record in entrant.records}
    competitors = {
        names[entrant.fingerprint]: Competitor(contender_of(one.metric, entrant, tables, sparsity), entrant.role)
        for entrant in one.entrants
    }
    return on_common_scale(one.metric, competitors, paired=one.paired, smallest=one.smallest)


def _lacking(parts: Sequence[Part], name: str) -> str:
    lacking = [part for part in parts if part.scores[name].estimate.value is None]
    if not lacking:
        return "no task here is ranked by a metric that an audit found sound"
    return "; ".join(f"{part.scope.task}: {part.scores[name].estimate.undefined}" for part in lacking)
