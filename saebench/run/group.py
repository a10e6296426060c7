"""Score one group: run its task once for all subjects that lack a result, and write what comes."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import torch

from saebench.bench import Failure, FileJournal, GroupBench
from saebench.dictionaries.labels import KEY as LABELS
from saebench.fingerprint import digest
from saebench.results.schema import ProvenanceRecord, ResultRecord, SubjectRecord
from saebench.results.store import ResultStore
from saebench.run.plan import Group, Unit
from saebench.run.scene import Scene
from saebench.subjects import ConceptSubject, DictionarySubject, GroupSubject, ScoredSubject
from saebench.tasks.contract import Scores
from saebench.tasks.summary import summarise


@dataclass(frozen=True)
class GroupOutcome:
    """What became of a group."""

    computed: tuple[ResultRecord, ...]
    failures: tuple[Failure, ...]


def score_group(group: Group, scene: Scene, results: ResultStore, executor: str) -> GroupOutcome:
    """Score the units of a group that are not done. A subject that fails leaves the others alone."""
    open_units = [unit for unit in group.units if not unit.done]
    if not open_units:
        return GroupOutcome((), ())
    subjects = [unit.subject for unit in open_units]
    journal = FileJournal(results.root / ".journal" / f"{journal_key(group, open_units)}.npz")
    bench = GroupBench(
        lm=scene.lm,
        params=group.params,
        eval_seed=group.eval_seed,
        rows_per_block=group.rows_per_block,
        progress=scene.progress,
        journal=journal,
        source=lambda request: scene.activations(request, group.eval_seed),
        store=scene.store,
        artefacts=scene.artefacts,
    )
    started = now()
    scores = group.task.run(subjects, bench)
    records = []
    for unit in open_units:
        if unit.subject.fingerprint in scores:
            with bench.guard(unit.subject):
                own = scores[unit.subject.fingerprint]
                records.append(store_result(unit, own, group, scene, results, executor, started))
        unit.subject.release()
    journal.discard()
    scene.artefacts.forget()
    return GroupOutcome(tuple(records), tuple(bench.failures.values()))


def journal_key(group: Group, units: list[Unit]) -> str:
    """Journals of the same units, block size and version of saebench continue each other."""
    return digest([sorted(unit.id for unit in units), group.rows_per_block, version("saebench")])


def store_result(
    unit: Unit, scores: Scores, group: Group, scene: Scene, results: ResultStore, executor: str, started: str
) -> ResultRecord:
    """Make metrics from item scores, and write both."""
    record = ResultRecord(
        id=unit.id,
        task=unit.task,
        suite=scene.suite.label,
        subject=describe(unit.subject),
        site=group.site,
        model=scene.model_record(),
        data=list(group.data),
        identity=unit.identity,
        eval_seed=unit.eval_seed,
        metrics=summarise(group.task.card, scores),
        details=dict(scores.details),
        cost=dict(scores.cost),
        items=None,
        provenance=provenance(scene, group.rows_per_block, executor, started),
    )
    return results.write(record, scores.tables)


def describe(subject: ScoredSubject) -> SubjectRecord:
    """The subject as a result records it."""
    if isinstance(subject, ConceptSubject):
        return describe_concept(subject)
    return describe_group(subject) if isinstance(subject, GroupSubject) else describe_dictionary(subject)


def describe_concept(subject: ConceptSubject) -> SubjectRecord:
    """A concept method: its settings."""
    return SubjectRecord(
        spec=subject.spec,
        name=subject.name,
        kind="concept",
        role=subject.role,
        fingerprint=subject.fingerprint,
        architecture=subject.architecture,
        provenance=subject.method.recipe(),
    )


def describe_group(subject: GroupSubject) -> SubjectRecord:
    """A set or pair: what its members have in common, and each of them under provenance."""
    members = [describe_dictionary(member) for member in subject.members]
    widths = {(member.d_in, member.d_dict) for member in members}
    d_in, d_dict = widths.pop() if len(widths) == 1 else (None, None)
    return SubjectRecord(
        spec=subject.spec,
        name=subject.name,
        kind="set" if subject.kind == "set" else "pair",
        role=subject.role,
        fingerprint=subject.fingerprint,
        architecture=subject.architecture,
        d_in=d_in,
        d_dict=d_dict,
        provenance={"members": [member.model_dump(mode="json") for member in members]},
    )


def describe_dictionary(subject: DictionarySubject) -> SubjectRecord:
    """A single dictionary."""
    dictionary = subject.dictionary()
    provenance = shortened(dictionary.provenance.to_json())
    traits = {name: value for name, value in vars(dictionary.traits).items() if value}
    return SubjectRecord(
        spec=subject.spec,
        name=subject.name,
        kind="dictionary",
        role=subject.role,
        fingerprint=subject.fingerprint,
        architecture=subject.architecture,
        d_in=dictionary.d_in,
        d_dict=dictionary.d_dict,
        traits=jsonable(traits),
        provenance=jsonable(provenance),
    )


def shortened(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Provenance with its long lists, hashes of documents and labels of atoms, as a count and a digest."""
    short = dict(provenance)
    for key in {"documents", LABELS} & set(short):
        short[key] = {"count": len(short[key]), "digest": digest(sorted(short[key]))}
    return {key: shortened(value) if key in {"extra", "of"} else value for key, value in short.items()}


def jsonable(value: Mapping[str, object]) -> dict[str, object]:
    """Tuples become lists, so that a record equals itself when read back."""
    return {key: list(item) if isinstance(item, tuple) else item for key, item in value.items()}


def provenance(scene: Scene, rows_per_block: int, executor: str, started: str) -> ProvenanceRecord:
    """How and where a number was made."""
    return ProvenanceRecord(
        saebench=version("saebench"),
        torch=torch.__version__,
        transformers=version("transformers"),
        python=platform.python_version(),
        platform=this_platform(),
        device=str(scene.lm.device),
        threads=torch.get_num_threads(),
        batch_size=rows_per_block,
        executor=executor,
        started=started,
        finished=now(),
    )


def this_platform() -> str:
    """System, processor and number of cores."""
    return f"{sys.platform} {platform.machine()} {os.cpu_count()} cores"


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
