"""`unlearning@1`, from top to bottom: data, protocol, item scores.

Data: questions about a topic and about other things, texts of both, prose. Protocol: latents that fire on the topic's
texts and hardly elsewhere are clamped (a concept method's direction is taken out), in several configurations;
validation questions choose one for each budget of lost ability, test questions report it. Item scores: what each test
question adds to the area, and whether it is answered at single budgets.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from saebench.answers.examination import correct, examine
from saebench.baselines.concepts.method import Lesson
from saebench.baselines.concepts.texts import ConceptTexts
from saebench.errors import SubjectFailed
from saebench.results.schema import DataRecord
from saebench.tasks.contract import Bench, ItemTable, Params, Request, Scores, Subject, Task
from saebench.tasks.unlearning.asking import Known, prose_loss, tried
from saebench.tasks.unlearning.card import CARD, DOCUMENTS, QUESTIONS
from saebench.tasks.unlearning.choosing import as_frequent, firing, latent_edits, latent_sets
from saebench.tasks.unlearning.curve import BUDGETS, REPORTED, Tried, area_columns
from saebench.tasks.unlearning.edits import DirectionEdits, Family
from saebench.tasks.unlearning.material import KINDS, Material, material
from saebench.tasks.unlearning.params import UnlearningParams
from saebench.tasks.unlearning.weights import VERSION, trained

if TYPE_CHECKING:
    from saebench.activations.sets import ActivationSet
    from saebench.lm.model import LanguageModel

Array = np.ndarray[Any, Any]
SHOWN = 16
"""Latents that the details name."""


@dataclass(frozen=True, eq=False)
class Ground:
    """All that is the same for every subject.

    Attributes:
        held: what is read.
        sides: forgotten and retained questions that the model knows.
        acts, prose: activations of the corpora and of held-out prose at the site, and at its entry site.
        reference: what the training of the weights did.
    """

    held: Material
    sides: tuple[Known, Known]
    acts: tuple[ActivationSet, ActivationSet | None]
    prose: tuple[ActivationSet, ActivationSet | None]
    reference: Mapping[str, Array]

    @property
    def weights(self) -> Tried:
        """The reference's configurations."""
        return Tried(**{one.name: self.reference[one.name] for one in fields(Tried)})


class Unlearning(Task):
    """Scores a dictionary or a concept method by what it can make a model forget. Metrics: `card.METRICS`."""

    card = CARD
    takes = ("dictionary", "concept")
    parameters: type[Params] = UnlearningParams

    def __init__(self) -> None:
        self._made: dict[tuple[Params, str, int], Material] = {}

    def data(self, params: Params, lm: LanguageModel, eval_seed: int) -> tuple[DataRecord, ...]:
        return self.material(params, lm, eval_seed).records()

    def material(self, params: Params, lm: LanguageModel, eval_seed: int) -> Material:
        """What is read, once for each setting.

        Raises:
            UnknownName, UsageError, DataError, AssetError: see `saebench.tasks.unlearning.material.material`.
        """
        own = as_own(params)
        key = (own, lm.tokenizer_hash, eval_seed)
        if key not in self._made:
            self._made[key] = material(own, lm, eval_seed)
        return self._made[key]

    def needs(self, subject: Subject) -> tuple[Request, ...]:
        return ()

    def run(self, subjects: Sequence[Subject], bench: Bench) -> dict[str, Scores]:
        """What all share once; then subject by subject: choose, edit, ask."""
        params = as_own(bench.params)
        site = subjects[0].site
        held = self.material(params, bench.lm, bench.eval_seed)
        sides = (
            Known.of(examine(bench, held.forget.asked, site), held.forget.test),
            Known.of(examine(bench, held.retain.asked, site), held.retain.test),
        )
        reason = too_little_known(sides, params)
        if reason:
            return {subject.fingerprint: nothing(reason) for subject in bench.alive(subjects)}
        ground = prepared(bench, held, sides, site, params)
        done, kept = bench.journal.load() or (0, {})
        scores = {}
        with bench.progress.bar(f"{self.card.name} {site}", len(subjects), "subject") as bar:
            for subject in bench.alive(subjects):
                with bench.guard(subject):
                    key = subject.fingerprint
                    own = {name.removeprefix(f"{key}/"): kept[name] for name in kept if name.startswith(f"{key}/")}
                    if not own:
                        own = score(subject, ground, bench, params)
                        kept |= {f"{key}/{name}": array for name, array in own.items()}
                        done += 1
                        bench.journal.save(done, kept)
                    scores[key] = finish(ground, own)
                bar.advance()
        return scores


def as_own(params: Params) -> UnlearningParams:
    """The parameters of this task; the defaults where a bench was given none."""
    return params if isinstance(params, UnlearningParams) else UnlearningParams()


def too_little_known(sides: tuple[Known, Known], params: UnlearningParams) -> str | None:
    """Why nothing can be scored, where the model knows too little to begin with."""
    for name, side in zip(("topic", "rest"), sides, strict=True):
        known = min(len(side.validation), len(side.test))
        if known < params.least_known:
            asked = len(side.exam.asked.questions)
            right = correct(side.exam.clean, side.exam.asked).mean()
            return (
                f"the model itself answers {right:.2f} of {asked} questions about the {name} right: {known} in one "
                f"half, fewer than {params.least_known}"
            )
    return None


def nothing(reason: str) -> Scores:
    """The scores where nothing can be scored."""
    return Scores(tables={}, undefined={metric.name: reason for metric in CARD.metrics})


def prepared(bench: Bench, held: Material, sides: tuple[Known, Known], site: str, params: UnlearningParams) -> Ground:
    """Harvest what is read, and train the reference, once for all subjects."""
    entry = bench.lm.entry_site(site)
    acts = (bench.harvest(held.rows, site), bench.harvest(held.rows, entry) if entry else None)
    prose = (bench.harvest(held.prose, site), bench.harvest(held.prose, entry) if entry else None)

    def make() -> dict[str, Array]:
        bench.progress.note("training the reference of unlearning@1")
        return trained(bench.lm, held, acts, prose, sides, params, seed=bench.eval_seed, rows=bench.rows_per_block)

    identity = {
        "data": [one.fingerprint for one in held.records()],
        "halves": [side.exam.asked.fingerprint for side in sides],
        "site": site,
        "steps": list(params.steps),
        "rate": params.rate,
        "seed": bench.eval_seed,
        "batch": bench.rows_per_block,
        "version": VERSION,
    }
    return Ground(held, sides, acts, prose, bench.artefact("weights unlearned", identity, make))


def score(subject: Subject, ground: Ground, bench: Bench, params: UnlearningParams) -> dict[str, Array]:
    """Answers under every configuration of a subject and of its random twin, as named arrays.

    Raises:
        SubjectFailed: a dictionary that reads whole sequences; a method without a direction; activations not finite.
    """
    import json

    began = time.perf_counter()
    if subject.kind == "concept":
        own, random, about = direction_families(subject, ground, bench, params)
    else:
        own, random, about = latent_families(subject, ground, bench, params)
    made: dict[str, Array] = {}
    for name, family in (("own", own), ("random", random)):
        found = tried(*ground.sides, family)
        made |= {f"{name}/{one.name}": getattr(found, one.name) for one in fields(Tried)}
        about[f"{name}_configurations"] = list(family.configurations)
    number = Tried(**part(made, "own/")).chosen()[BUDGETS.index(REPORTED)]
    if number:
        made["prose_loss"] = prose_loss(bench.lm, *ground.prose, bench.rows_per_block, own, number)[0]
    else:
        made["prose_loss"] = ground.reference["prose_clean"]
    made["seconds"] = np.array(time.perf_counter() - began)
    made["about"] = np.array(json.dumps(about))
    return made


def latent_families(
    subject: Subject, ground: Ground, bench: Bench, params: UnlearningParams
) -> tuple[Family, Family, dict[str, Any]]:
    """Edits of the topic's latents, edits of latents as frequent, and what is to be told of them."""
    dictionary = subject.dictionary()
    if dictionary.traits.sequence_coupled:
        raise SubjectFailed("its codes depend on the other tokens of a row, and the questions are read token by token")
    fired = firing(dictionary, ground.acts[0], ground.held.kinds, bench.lm)
    sets = latent_sets(fired, params.ratios, params.latents)
    seed = f"unlearning:{bench.eval_seed}"
    twins = [(ratio, as_frequent(fired, latents, seed)) for ratio, latents in sets]
    frequency, latents = fired.frequency, fired.of_topic(min(params.ratios))
    about = {
        "topic_latents": {f"ratio {ratio:g}": len(fired.of_topic(ratio)) for ratio in params.ratios},
        "latents": [
            {"latent": int(one), **{kind: float(frequency[number, one]) for number, kind in enumerate(KINDS)}}
            for one in latents[:SHOWN]
        ],
    }
    families = [latent_edits(dictionary, fired, chosen, params.clamps) for chosen in (sets, twins)]
    return families[0], families[1], about


def direction_families(
    subject: Subject, ground: Ground, bench: Bench, params: UnlearningParams
) -> tuple[Family, Family, dict[str, Any]]:
    """Edits along a concept method's direction, and along a random one; the concept is the topic against the rest."""
    method = subject.concept()
    stored, entry = ground.acts
    lesson = lesson_of(ground, bench, entry if method.needs_model else None)
    found = method.fit(lesson)
    rest = lesson.texts.flat[~lesson.positive]
    generator = lesson.generator("random direction")
    drawn = torch.randn(stored.width, generator=generator)
    families = [
        DirectionEdits(direction, float((rest @ direction).double().mean()), params.strengths)
        for direction in (found.unit(), drawn / drawn.norm())
    ]
    return families[0], families[1], {"method": method.recipe(), "notes": dict(found.notes)}


def lesson_of(ground: Ground, bench: Bench, entry: ActivationSet | None) -> Lesson:
    """The topic's texts against as many of the other kinds, in a random order."""
    kinds = ground.held.kinds
    positive, negative = np.flatnonzero(kinds == 0), np.flatnonzero(kinds != 0)
    rng = np.random.Generator(np.random.PCG64(bench.eval_seed))
    size = min(len(positive), len(negative))
    rows = rng.permutation(np.concatenate([rng.permutation(positive)[:size], rng.permutation(negative)[:size]]))
    texts = ConceptTexts.of(ground.acts[0], rows, ground.held.strings, entry)
    return Lesson(texts, (kinds[rows] == 0).astype(np.int64), f"unlearning:{bench.eval_seed}", bench.lm)


def part(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """Arrays whose name starts so, without the start."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def finish(ground: Ground, arrays: Mapping[str, Array]) -> Scores:
    """Item tables and details of one subject."""
    import json

    forget, retain = ground.sides
    own, random, weights = Tried(**part(arrays, "own/")), Tried(**part(arrays, "random/")), ground.weights
    zeros = np.zeros(len(forget.test)), np.zeros(len(retain.test))

    def both(left: Array, right: Array) -> Array:
        return np.concatenate([left, right])

    columns = {
        "forget": both(np.ones(len(forget.test)), zeros[1]),
        "retain": both(zeros[0], np.ones(len(retain.test))),
        "area": area_columns(*own.averaged()),
        "random_area": area_columns(*random.averaged()),
        "weights_area": area_columns(*weights.averaged()),
    }
    for name, budget in (("", REPORTED), ("_20", BUDGETS[-1])):
        forgotten, lost = own.at(budget)
        columns[f"forgotten{name}"], columns[f"lost{name}"] = both(forgotten, zeros[1]), both(zeros[0], lost)
    items = tuple(
        f"{name}/{side.exam.asked.questions[place].id}"
        for name, side in zip(("forget", "retain"), ground.sides, strict=True)
        for place in side.test
    )
    documents = tuple(ground.held.prose.document_ids)
    prose = {
        "loss": arrays["prose_loss"],
        "loss_clean": ground.reference["prose_clean"],
        "tokens": ground.reference["prose_tokens"],
    }
    about = json.loads(str(arrays["about"]))
    return Scores(
        tables={
            QUESTIONS: ItemTable(items, items, columns),
            DOCUMENTS: ItemTable(documents, documents, prose),
        },
        details={
            "curve": own.points(about.pop("own_configurations")),
            "curve_random": random.points(about.pop("random_configurations")),
            "curve_weights": weights.points([{"state": number} for number in range(len(weights.forget_test))]),
            **about,
            "questions": {
                name: {
                    "asked": len(side.exam.asked.questions),
                    "right": float(correct(side.exam.clean, side.exam.asked).mean()),
                    "chance": float(side.exam.asked.chance.mean()),
                    "validation": len(side.validation),
                    "test": len(side.test),
                }
                for name, side in zip(("forget", "retain"), ground.sides, strict=True)
            },
            "texts": {name: int((ground.held.kinds == kind).sum()) for kind, name in enumerate(KINDS)},
            "weights_prose_loss_change": float(
                (ground.reference["prose_loss"] - ground.reference["prose_clean"]).sum()
                / ground.reference["prose_tokens"].sum()
            ),
        },
        cost={"seconds": float(arrays["seconds"])},
    )
