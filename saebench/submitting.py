"""Submitting a dictionary: check it, say what scoring will cost, score it, bundle what came, verify the bundle."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saebench.errors import UnitsFailed
from saebench.progress import Progress
from saebench.results.store import ResultStore
from saebench.run.checking import CheckReport, check_subject
from saebench.run.evaluate import Outcome, Settings, run_suite
from saebench.run.group import this_platform
from saebench.run.plan import Plan
from saebench.run.suite import Suite
from saebench.subjects import GROUPS, members_of, parse, resolve
from saebench.subjects.spec import short_name
from saebench.submissions import limits
from saebench.submissions.card import QUESTIONS, is_placeholder, open_questions
from saebench.submissions.files import read_file
from saebench.submissions.layout import CARD, LONGEST_NAME, check_bundle_name
from saebench.submissions.strict_yaml import parse_yaml
from saebench.submissions.verifying import Verdict, verify
from saebench.submissions.writing import write_bundle
from saebench.verifier import known

if TYPE_CHECKING:
    from saebench.run.scene import Scene

TRIAL_ROWS = 4
"""Rows of the timed pass."""


@dataclass(frozen=True)
class Cost:
    """What the open units of one task will take at one site and eval_seed."""

    label: str
    units: int
    """Units that are not done."""
    tokens: int | None
    """Tokens of its data; None where the task has not counted those of its own texts."""
    pass_seconds: float | None
    """One pass of the model up to the site over these tokens, at the speed measured here: scoring takes longer."""
    earlier_seconds: float | None
    """These units at the pace of an earlier run on this machine, where the results folder holds one."""
    note: str
    """What the task's card says."""

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)


def check(spec: str, scene: Scene, settings: Settings, progress: Progress | None = None) -> list[CheckReport]:
    """Conformance of the dictionary, or of each member of a set or pair, on activations of the model.

    Raises:
        CheckpointError, SiteError: it cannot be loaded, or does not fit the site.
    """
    members = members_of(spec) if parse(spec).prefix in GROUPS else [spec]
    return [check_subject(one, lm=scene.lm, site=settings.site, progress=progress) for one in members]


def estimate(scene: Scene, plan: Plan, settings: Settings) -> list[Cost]:
    """The cost of a plan's open units. One short pass of the model is timed for it."""
    pace = _earlier_pace(settings.out, scene)
    costs = []
    for group in plan.groups:
        units = sum(not unit.done for unit in group.units)
        if not units:
            continue
        counted = [part.tokens for part in group.data]
        tokens = None if None in counted else sum(one or 0 for one in counted)
        speed = _tokens_per_second(scene, group.site, group.eval_seed)
        own = pace.get(group.task.card.name)
        costs.append(
            Cost(
                label=group.label,
                units=units,
                tokens=tokens,
                pass_seconds=None if tokens is None else tokens / speed,
                earlier_seconds=None if own is None else units * own,
                note=group.task.card.cost_note,
            )
        )
    return costs


def _tokens_per_second(scene: Scene, site: str, eval_seed: int) -> float:
    import torch

    tokens = torch.from_numpy(scene.rows("eval", eval_seed).tokens[:TRIAL_ROWS]).long().to(scene.lm.device)
    with torch.no_grad():
        scene.lm.capture(tokens[:1], [site])
        began = time.perf_counter()
        scene.lm.capture(tokens, [site])[site].sum().item()
    return float(tokens.numel()) / (time.perf_counter() - began)


def _earlier_pace(out: Path, scene: Scene) -> dict[str, float]:
    """Seconds a unit of each task, from results of this model that were computed on a machine like this one."""
    spans: dict[tuple[str, str], list[float]] = defaultdict(list)
    for record in ResultStore(out).all() if out.is_dir() else ():
        made = record.provenance
        here = made.platform == this_platform() and made.device == str(scene.lm.device)
        if here and record.model is not None and record.model.name == scene.lm.name:
            lasted = datetime.fromisoformat(made.finished) - datetime.fromisoformat(made.started)
            spans[record.task, made.started].append(lasted.total_seconds())
    paces: dict[str, list[float]] = defaultdict(list)
    for (task, _), seconds in spans.items():
        paces[task].append(max(seconds) / len(seconds))
    return {task: sum(each) / len(each) for task, each in paces.items()}


@dataclass(frozen=True)
class Submitted:
    """A bundle, and whether it would be accepted."""

    folder: Path
    outcome: Outcome
    verdict: Verdict
    to_fill_in: tuple[str, ...]
    """Fields of the card that the author has not answered yet."""


def bundle(
    spec: str,
    suite: Suite,
    settings: Settings,
    scene: Scene,
    folder: Path,
    answers: Mapping[str, str],
    progress: Progress | None = None,
) -> Submitted:
    """Score what is not done, write the bundle `folder` and verify it.

    Args:
        spec: what is submitted; controls are those of the suite.
        suite: what it is scored with.
        settings: results folder, model and device.
        scene: of that suite and model.
        folder: named as the submission.
        answers: of the author; those of a card that lies in the folder already fill the gaps.

    Raises:
        UnitsFailed: a unit failed; what finished is stored, and nothing is bundled.
        UsageError: the suite scores nothing of this kind.
    """
    outcome = run_suite([spec], suite, settings, progress, scene)
    if outcome.failures:
        reasons = "; ".join(f"{one.subject}: {one.message}" for one in outcome.failures)
        raise UnitsFailed(f"{reasons} (the rest is stored in {settings.out}; nothing was bundled)")
    site = next(record.site for record in outcome.records) or ""
    subject = resolve(spec, scene.stage(site, suite.eval_seeds[0]))
    known_answers = {**card_answers(folder / CARD), **answers}
    write_bundle(
        folder,
        outcome.records,
        ResultStore(settings.out),
        subject=subject.fingerprint,
        places=_places(spec, folder.name),
        suite=suite.model_dump(mode="json"),
        answers=known_answers,
    )
    return Submitted(folder, outcome, verify(folder, known()), tuple(open_questions(known_answers)))


def _places(spec: str, name: str) -> dict[str, str]:
    """Where a subject or its members lie, to what the bundle calls them."""
    grouped = parse(spec).prefix in GROUPS
    return {member: short_name(member) for member in members_of(spec)} if grouped else {spec: name}


def name_for(spec: str, name: str | None) -> str:
    """The name of a submission: the one that was given, else the last part of the subject in a form that is allowed.

    Raises:
        SubmissionError: the given one is not.
    """
    if name is not None:
        return check_bundle_name(name)
    words = re.findall(r"[a-z0-9]+", short_name(spec).lower())
    return check_bundle_name("-".join(words)[:LONGEST_NAME].strip("-"))


def card_answers(file: Path, *, required: bool = False) -> dict[str, str]:
    """What the author has answered in a card, or in a file of answers; nothing where there is none.

    Raises:
        SubmissionError: it is not YAML, or it is `required` and not there.
    """
    if not required and not file.is_file():
        return {}
    held = parse_yaml(read_file(file, limits.YAML_BYTES, str(file)), str(file))
    return {key: held[key] for key in QUESTIONS if isinstance(held.get(key), str) and not is_placeholder(held[key])}
