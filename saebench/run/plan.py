"""The plan: suite x subjects x seeds become units, units become groups that share one walk over the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from saebench.dictionaries.contract import Dictionary
from saebench.errors import ConfigError, UsageError
from saebench.results.identity import result_id
from saebench.results.schema import DataRecord, Identity
from saebench.results.store import ResultStore
from saebench.run.scene import Scene
from saebench.run.suite import Suite, TaskEntry
from saebench.subjects import GROUPS, ScoredSubject, distinct, kind_of, members_of, of_object, parse, resolve, site_of
from saebench.tasks import TASKS
from saebench.tasks.contract import Card, Params, Task

PERMUTED = "control:permuted"
PERMUTED_SET = f"set:{PERMUTED}"

SubjectLike = str | Dictionary
"""A specification, or a dictionary that is already in memory."""


@dataclass(frozen=True)
class Unit:
    """Task x subject x eval_seed: the grain of identity, storage and resume."""

    id: str
    task: str
    subject: ScoredSubject
    eval_seed: int
    identity: Identity
    done: bool
    """A result with this id exists already, and is not merely what a submission reports."""


@dataclass(frozen=True)
class Group:
    """Units of one task that share site, data and eval_seed: one walk over the data scores them all."""

    task: Task
    params: Params
    data: tuple[DataRecord, ...]
    """What it is scored on."""
    site: str
    eval_seed: int
    rows_per_block: int
    units: tuple[Unit, ...]

    @property
    def label(self) -> str:
        """For progress and logs."""
        return f"{self.task.card.name} {self.site} seed {self.eval_seed}"


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
        UsageError: no site is named anywhere, or no task takes subjects of a kind that was named.
        ConfigError: the suite sets a parameter that a task does not have.
        SiteError: `site` contradicts a dictionary.
    """
    suite = scene.suite
    rows = rows_per_block or suite.defaults.rows_per_block
    tasks = [(entry, TASKS.get(entry.task)()) for entry in suite.tasks]
    wanted = {kind_of_subject(one) for one in subjects}
    require_takers(subjects, suite, [task for _, task in tasks])
    by_site = sites_of(subjects, suite, site)
    for name in by_site:
        scene.lm.site(name)
    groups = []
    for entry, task in tasks:
        params = resolved(entry, task)
        if wanted and wanted.isdisjoint(task.takes):
            continue
        for name, members in by_site.items():
            of_kind = [one for one in members if kind_of_subject(one) in task.takes]
            for seed in (seeds or suite.eval_seeds) if of_kind else ():
                own = task.data(params, scene.lm, seed)
                stage = scene.stage(name, seed)
                made = [resolve(one, stage) if isinstance(one, str) else of_object(one, stage) for one in of_kind]
                whole = distinct(made)
                data = own or parts_read(task, whole, scene, seed)
                units = tuple(
                    make_unit(scene, task.card, params, data, subject, seed, rows, results) for subject in whole
                )
                groups.append(Group(task, params, data, name, seed, rows, units))
    return Plan(suite, tuple(groups))


def parts_read(task: Task, subjects: Sequence[ScoredSubject], scene: Scene, seed: int) -> tuple[DataRecord, ...]:
    """The parts of the suite's data that decide a task's numbers: the evaluation part, and what else it needs."""
    needed = (request.part for subject in subjects for request in task.needs(subject))
    return tuple(scene.data_record(part, seed) for part in dict.fromkeys(("eval", *needed)))


def kind_of_subject(subject: SubjectLike) -> str:
    """dictionary, concept, set, pair or recipe."""
    return kind_of(subject) if isinstance(subject, str) else "dictionary"


def require_takers(subjects: Sequence[SubjectLike], suite: Suite, tasks: Sequence[Task]) -> None:
    """Refuse a subject that nothing in the suite scores. A task without a subject of its kind is left out.

    Raises:
        UsageError: naming the subject and what the suite's tasks take.
    """
    takes = {kind for task in tasks for kind in task.takes}
    for subject in subjects:
        if (kind := kind_of_subject(subject)) not in takes:
            known = "; ".join(f"{task.card.name} takes a {' or a '.join(task.takes)}" for task in tasks)
            raise UsageError(f"'{subject}' is a {kind}, and no task of suite {suite.name} takes one ({known})")


def resolved(entry: TaskEntry, task: Task) -> Params:
    """The parameters of a task: what the suite sets, and the task's defaults for the rest.

    Raises:
        ConfigError: the task has no such parameter, or it cannot have this value.
    """
    try:
        return task.parameters.model_validate(entry.params)
    except ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(str(part) for part in fault["loc"])
        known = ", ".join(task.parameters.model_fields) or "none"
        if fault["type"] == "extra_forbidden":
            message = f"{entry.task} has no parameter '{name}' (it has: {known})"
        else:
            message = f"parameter '{name}' of {entry.task}: {fault['msg']}"
        raise ConfigError(message, field="tasks.params") from error


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
        if isinstance(subject, str) and own is None and is_made(subject):
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
    return {where: [*members, *everywhere, *controls_for(members, suite)] for where, members in placed.items()}


def is_made(subject: str) -> bool:
    """Whether a subject, or each member of it, is made from a model and data, so that any site will do."""
    spec = parse(subject)
    if spec.prefix in GROUPS:
        return all(is_made(member) for member in members_of(subject))
    return spec.prefix in {"control", "baseline"}


def controls_for(members: Sequence[SubjectLike], suite: Suite) -> list[str]:
    """The suite's controls at a site.

    `control:permuted` without a dictionary permutes the first one of the site, `set:control:permuted` each member of
    the first set, in different ways.
    """
    stored = [one for one in members if isinstance(one, str) and not is_made(one)]
    first = next((one for one in stored if kind_of(one) == "dictionary"), None)
    first_set = next((one for one in stored if kind_of(one) == "set"), None)
    controls = []
    for control in suite.controls:
        if control == PERMUTED:
            controls += [f"{PERMUTED}?of={first}"] if first else []
        elif control == PERMUTED_SET:
            each = enumerate(members_of(first_set)) if first_set else ()
            permuted = [f"{PERMUTED}?seed={seed}&of={member}" for seed, member in each]
            controls += [f"set:{','.join(permuted)}"] if permuted else []
        else:
            controls.append(control)
    return controls


def make_unit(
    scene: Scene,
    card: Card,
    params: Params,
    data: Sequence[DataRecord],
    subject: ScoredSubject,
    eval_seed: int,
    rows_per_block: int,
    results: ResultStore,
) -> Unit:
    """One unit with its identity; the subject's own fit data is inside its fingerprint."""
    first = data[0]
    identity = Identity(
        subject=subject.fingerprint,
        task=card.name,
        metrics=card.fingerprint(),
        params=params.model_dump(mode="json"),
        data={one.part: one.fingerprint for one in data},
        site=subject.site,
        packing=first.packing,
        mask_rule=first.mask_rule,
        tokenizer=scene.lm.tokenizer_hash,
        lm=scene.lm.fingerprint,
        eval_seed=eval_seed,
        dtype=scene.dtype_label,
        batch_size=rows_per_block if card.batch_sensitive else None,
    )
    key = result_id(identity)
    found = results.find(key)
    done = found is not None and (found.submission is None or found.submission.status == "reproduced")
    return Unit(key, card.name, subject, eval_seed, identity, done)
