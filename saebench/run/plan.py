"""The plan: suite x subjects x seeds become units, units become groups that share one walk over the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from saebench.dictionaries.contract import Dictionary
from saebench.errors import ConfigError, UsageError
from saebench.results.identity import result_id
from saebench.results.schema import Identity
from saebench.results.store import ResultStore
from saebench.run.scene import Scene
from saebench.run.suite import Suite, TaskEntry
from saebench.subjects import DictionarySubject, distinct, of_object, resolve, site_of
from saebench.tasks import TASKS
from saebench.tasks.contract import Card, Task

SubjectLike = str | Dictionary
"""A specification, or a dictionary that is already in memory."""


@dataclass(frozen=True)
class Unit:
    """Task x subject x eval_seed: the grain of identity, storage and resume."""

    id: str
    task: str
    subject: DictionarySubject
    eval_seed: int
    identity: Identity
    done: bool
    """A result with this id exists already."""


@dataclass(frozen=True)
class Group:
    """Units of one task that share site, data and eval_seed: one walk over the data scores them all."""

    task: Task
    entry: TaskEntry
    site: str
    eval_seed: int
    rows_per_block: int
    units: tuple[Unit, ...]

    @property
    def label(self) -> str:
        """For progress and logs."""
        return f"{self.entry.task} {self.site} seed {self.eval_seed}"


@dataclass(frozen=True)
class Plan:
    """All units of a run, in groups."""

    suite: Suite
    groups: tuple[Group, ...]

    @property
    def units(self) -> tuple[Unit, ...]:
        """Units of all groups, in order."""
        return tuple(unit for group in self.groups for unit in group.units)


def make_plan(
    scene: Scene,
    subjects: Sequence[SubjectLike],
    results: ResultStore,
    *,
    site: str | None,
    seeds: Sequence[int] | None,
    rows_per_block: int | None,
) -> Plan:
    """Units that a run of the scene's suite would have; nothing is computed but fingerprints.

    Raises:
        UnknownName: a subject, task or site that does not exist.
        UsageError: no site is named anywhere.
        ConfigError: the suite sets a parameter that a task does not have.
        SiteError: `site` contradicts a dictionary.
    """
    suite = scene.suite
    rows = rows_per_block or suite.defaults.rows_per_block
    by_site = sites_of(subjects, suite, site)
    for name in by_site:
        scene.lm.site(name)
    groups = []
    for entry in suite.tasks:
        task = TASKS.get(entry.task)()
        for param in entry.params:
            if param not in task.card.params:
                known = ", ".join(task.card.params) or "none"
                raise ConfigError(f"{entry.task} has no parameter '{param}' (it has: {known})", field="tasks.params")
        for name, members in by_site.items():
            for seed in seeds or suite.eval_seeds:
                stage = scene.stage(name, seed)
                made = [resolve(one, stage) if isinstance(one, str) else of_object(one, stage) for one in members]
                units = tuple(
                    make_unit(scene, task.card, entry, subject, seed, rows, results) for subject in distinct(made)
                )
                groups.append(Group(task, entry, name, seed, rows, units))
    return Plan(suite, tuple(groups))


def sites_of(subjects: Sequence[SubjectLike], suite: Suite, site: str | None) -> dict[str, list[SubjectLike]]:
    """Subjects by site, the suite's controls joined to each.

    A dictionary goes to the site that it names, one that names none to `site` or the suite's site; a control or
    baseline named by the user goes to every site of the run.

    Raises:
        UsageError: no site is named anywhere.
    """
    everywhere: list[SubjectLike] = []
    placed: dict[str, list[SubjectLike]] = {}
    for subject in subjects:
        own = site_of(subject) if isinstance(subject, str) else next(iter(subject.sites_in), None)
        if isinstance(subject, str) and own is None and subject.startswith(("control:", "baseline:")):
            everywhere.append(subject)
            continue
        where = site or own or suite.site
        if where is None:
            raise UsageError(f"'{subject}' does not say at which site it was trained: name it with --site")
        placed.setdefault(where, []).append(subject)
    if not placed:
        where = site or suite.site
        if where is None:
            raise UsageError("no subject names a site: name one with --site")
        placed[where] = []
    return {where: [*members, *everywhere, *suite.controls] for where, members in placed.items()}


def make_unit(
    scene: Scene,
    card: Card,
    entry: TaskEntry,
    subject: DictionarySubject,
    eval_seed: int,
    rows_per_block: int,
    results: ResultStore,
) -> Unit:
    """One unit with its identity; the subject's own fit data is inside its fingerprint."""
    rows = scene.rows("eval", eval_seed)
    params: dict[str, Any] = dict(entry.params)
    identity = Identity(
        subject=subject.fingerprint,
        task=card.name,
        metrics=card.fingerprint(),
        params=params,
        data={"eval": rows.fingerprint},
        site=subject.site,
        packing=dict(rows.packing),
        mask_rule=rows.mask_rule,
        tokenizer=scene.lm.tokenizer_hash,
        lm=scene.lm.fingerprint,
        eval_seed=eval_seed,
        dtype=scene.dtype_label,
        batch_size=rows_per_block if card.batch_sensitive else None,
    )
    key = result_id(identity)
    return Unit(key, card.name, subject, eval_seed, identity, results.find(key) is not None)
