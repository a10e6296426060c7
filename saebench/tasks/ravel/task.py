"""`ravel@1`, from top to bottom: data, protocol, item scores.

Data: entities with attributes and templates that ask for them, entities and templates held out for the test. Which
prompts count is the model's own doing: those that it answers right. Protocol: the activation at the entity's last token
is encoded for a base and a source; the latents of a mask come from the source, and the layers above the site go on. The
mask of an attribute is learned on training pairs and tested, as a hard choice of latents, on test pairs. Item scores:
right or wrong for each test pair.
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from saebench.data.facts import Facts, facts
from saebench.errors import ConfigError
from saebench.fingerprint import digest
from saebench.lm.model import LanguageModel
from saebench.results.schema import DataRecord
from saebench.tasks.contract import Bench, ItemTable, Params, Request, Scores, Subject, Task
from saebench.tasks.ravel.card import CARD, PAIRS
from saebench.tasks.ravel.knowledge import Array, known
from saebench.tasks.ravel.latents import Latents, learn_mask
from saebench.tasks.ravel.pairs import AttributePairs, pairs_of
from saebench.tasks.ravel.prompts import Prompts, ask
from saebench.tasks.ravel.rotation import in_subspace, learn_basis
from saebench.tasks.ravel.settings import RavelParams
from saebench.tasks.ravel.stand import Stand

MASK_RULE = "the last token of the entity's name is swapped, the token behind the prompt is judged"


@dataclass(frozen=True)
class Study:
    """One set of facts for one model: prompts, what is known, pairs of each attribute."""

    facts: Facts
    prompts: Prompts
    known: Array
    pairs: tuple[AttributePairs, ...]

    @property
    def scored(self) -> tuple[AttributePairs, ...]:
        """The attributes that have pairs enough."""
        return tuple(one for one in self.pairs if not one.excluded)


@dataclass(frozen=True)
class Trial:
    """One attribute at one site: where its pairs are run, and the corners that all subjects are held against.

    Attributes:
        facts: name of the set.
        label: "cities/country".
        seed: of everything random about it.
        mdas, swap: right or wrong `[n_test]` of the dense rival and of swapping the whole activation.
    """

    facts: str
    label: str
    stand: Stand
    pairs: AttributePairs
    seed: int
    mdas: Array
    swap: Array

    @property
    def cause(self) -> Array:
        """Which test pairs are cause pairs, `[n_test]` float64 of 0 and 1."""
        return np.array([float(pair.cause) for pair in self.pairs.test])


@dataclass(frozen=True)
class Outcome:
    """One subject on one attribute.

    Attributes:
        right: with the learned mask, `[n_test]`.
        corner: with all latents swapped on cause pairs and none on isolation pairs, `[n_test]`.
        mask_size: latents in the mask.
        seconds: learning and testing.
    """

    right: Array
    corner: Array
    mask_size: int
    seconds: float


class Ravel(Task):
    """Scores a dictionary by how well its latents hold attributes apart. Metrics: `card.METRICS`."""

    card = CARD
    parameters = RavelParams

    def data(self, params: Params, lm: LanguageModel, eval_seed: int) -> tuple[DataRecord, ...]:
        """One record a set of facts: the questions, before the model is asked.

        Raises:
            DataError: a set cannot be read.
            ConfigError: no set has one of the attributes that the suite names.
        """
        assert isinstance(params, RavelParams)
        sets = [facts(name) for name in params.facts]
        if len({one.name for one in sets}) < len(sets):
            raise ConfigError(f"two of the sets {', '.join(params.facts)} have the same name", field="facts")
        for attribute in params.attributes:
            if not any(attribute in one.attributes for one in sets):
                known_ones = ", ".join(sorted({name for one in sets for name in one.attributes}))
                raise ConfigError(
                    f"no set has the attribute '{attribute}' (they have: {known_ones})", field="attributes"
                )
        return tuple(record(one, questions(one, params, lm, eval_seed), params) for one in sets)

    def needs(self, subject: Subject) -> tuple[Request, ...]:
        return ()

    def run(self, subjects: Sequence[Subject], bench: Bench) -> dict[str, Scores]:
        """Ask the model, draw pairs, then learn and test one mask an attribute for each subject."""
        params = bench.params
        assert isinstance(params, RavelParams)
        studies = [study(name, params, bench) for name in params.facts]
        if not any(one.scored for one in studies):
            reason = "no attribute has enough prompts that the model answers right"
            nothing = Scores({}, describe(studies, [], {}), {}, {metric.name: reason for metric in CARD.metrics})
            return {subject.fingerprint: nothing for subject in bench.alive(subjects)}
        trials = [trial for one in studies for trial in trials_of(one, subjects[0].site, bench)]
        outcomes = restore(bench, subjects, trials)
        total = len(trials) * len(subjects)
        with bench.progress.bar(f"{CARD.name} {subjects[0].site}", total, "mask") as bar:
            for subject in subjects:
                with bench.guard(subject):
                    latents: dict[int, Latents] = {}
                    for trial in trials:
                        if (subject.fingerprint, trial.label) not in outcomes:
                            stand = trial.stand
                            if id(stand) not in latents:
                                latents[id(stand)] = Latents(subject.dictionary(), stand, add_error=params.add_error)
                            outcomes[subject.fingerprint, trial.label] = score(latents[id(stand)], trial, params)
                            bench.journal.save(len(outcomes), snapshot(outcomes))
                        bar.advance()
        return {
            subject.fingerprint: finish(
                studies, trials, {trial.label: outcomes[subject.fingerprint, trial.label] for trial in trials}
            )
            for subject in bench.alive(subjects)
        }


def questions(one: Facts, params: RavelParams, lm: LanguageModel, eval_seed: int) -> Prompts:
    """The prompts of a set."""
    return ask(
        one,
        lm.tokenizer,
        attributes=params.attributes,
        max_entities=params.max_entities,
        max_templates=params.max_templates,
        context=params.context,
        test_share=params.test_share,
        seed=eval_seed,
    )


def record(one: Facts, prompts: Prompts, params: RavelParams) -> DataRecord:
    """How a result describes a set of facts."""
    return DataRecord(
        part=one.name,
        name=f"{one.name} ({one.revision})",
        fingerprint=digest({"facts": one.fingerprint(), "prompts": prompts.fingerprint}),
        licence=one.licence,
        documents=len({prompt.entity for prompt in prompts.listed}),
        tokens=sum(len(prompt.ids) for prompt in prompts.listed),
        packing={"layout": "one prompt a row", "context": params.context, "begin_id": prompts.begin},
        mask_rule=MASK_RULE,
    )


def study(name: str, params: RavelParams, bench: Bench) -> Study:
    """Ask the model about a set of facts, and draw pairs of what it knows."""
    one = facts(name, bench.progress)
    prompts = questions(one, params, bench.lm, bench.eval_seed)
    told = known(prompts, bench)
    asked = [attribute for attribute in one.attributes if not params.attributes or attribute in params.attributes]
    pairs = tuple(
        pairs_of(
            prompts,
            told.tolist(),
            attribute,
            train=params.train_pairs,
            test=params.test_pairs,
            least=params.least_pairs,
            seed=bench.eval_seed,
        )
        for attribute in asked
    )
    return Study(one, prompts, told, pairs)


def trials_of(one: Study, site: str, bench: Bench) -> list[Trial]:
    """The scored attributes of a set at a site. The dense rival and the full swap are made once for all subjects."""
    if not one.scored:
        return []
    params = bench.params
    assert isinstance(params, RavelParams)
    stand = Stand(bench, site, one.prompts, [pair for pairs in one.scored for pair in (*pairs.train, *pairs.test)])
    trials = []
    for pairs in one.scored:
        label = f"{one.facts.name}/{pairs.attribute}"
        seed = int.from_bytes(hashlib.sha256(f"{bench.eval_seed}:{label}".encode()).digest()[:6], "big")

        def make(pairs: AttributePairs = pairs, seed: int = seed) -> dict[str, Array]:
            basis = learn_basis(
                stand,
                pairs.train,
                rank=params.mdas_rank,
                epochs=params.mdas_epochs,
                batch=params.batch,
                learning_rate=params.mdas_learning_rate,
                seed=seed,
            )
            return {
                "basis": basis.cpu().numpy(),
                "mdas": stand.correct(pairs.test, lambda base, source: in_subspace(stand, basis, base, source)),
                "swap": stand.correct(pairs.test, lambda base, source: stand.entities[source]),
            }

        identity = {
            "site": site,
            "prompts": one.prompts.fingerprint,
            "pairs": digest([[pair.base, pair.source, pair.target] for pair in (*pairs.train, *pairs.test)]),
            "train": len(pairs.train),
            "settings": [params.mdas_rank, params.mdas_epochs, params.batch, params.mdas_learning_rate, seed],
            "version": 1,
        }
        made = bench.artefact("dense rival of ravel", identity, make)
        trials.append(Trial(one.facts.name, label, stand, pairs, seed, made["mdas"], made["swap"]))
    return trials


def score(latents: Latents, trial: Trial, params: RavelParams) -> Outcome:
    """Learn the mask of one attribute, and test it."""
    began = time.perf_counter()
    mask = learn_mask(
        latents,
        trial.stand,
        trial.pairs.train,
        epochs=params.epochs,
        batch=params.batch,
        learning_rate=params.learning_rate,
        seed=trial.seed,
    )
    share = mask.float()
    test = trial.pairs.test
    right = trial.stand.correct(test, lambda base, source: latents.swapped(base, source, share))
    corner = np.concatenate(
        [
            trial.stand.correct(
                [pair for pair in test if pair.cause == cause],
                lambda base, source, swap=swap: latents.swapped(base, source, swap),  # type: ignore[misc]
            )
            for cause, swap in ((True, torch.ones_like(share)), (False, torch.zeros_like(share)))
        ]
    )
    return Outcome(right, corner, int(mask.sum()), time.perf_counter() - began)


def snapshot(outcomes: dict[tuple[str, str], Outcome]) -> dict[str, Array]:
    """What a journal keeps: each subject and attribute that is done."""
    arrays: dict[str, Array] = {}
    for (fingerprint, label), one in outcomes.items():
        key = f"{fingerprint}/{label}"
        arrays |= {f"{key}/right": one.right, f"{key}/corner": one.corner}
        arrays[f"{key}/numbers"] = np.array([one.mask_size, one.seconds])
    return arrays


def restore(bench: Bench, subjects: Sequence[Subject], trials: Sequence[Trial]) -> dict[tuple[str, str], Outcome]:
    """The inverse of `snapshot`, for the subjects and attributes of this run."""
    kept = bench.journal.load()
    arrays = kept[1] if kept else {}
    outcomes = {}
    for subject in subjects:
        for trial in trials:
            key = f"{subject.fingerprint}/{trial.label}"
            if f"{key}/numbers" in arrays:
                size, seconds = arrays[f"{key}/numbers"].tolist()
                outcomes[subject.fingerprint, trial.label] = Outcome(
                    arrays[f"{key}/right"], arrays[f"{key}/corner"], int(size), seconds
                )
    return outcomes


def finish(studies: Sequence[Study], trials: Sequence[Trial], outcomes: dict[str, Outcome]) -> Scores:
    """The item table of one subject: test pairs, weighted so that attributes and both kinds count alike."""
    listed = {one.facts.name: one.prompts.listed for one in studies}
    items: list[str] = []
    clusters: list[str] = []
    columns: dict[str, list[Array]] = defaultdict(list)
    for trial in trials:
        own, cause = outcomes[trial.label], trial.cause
        prompts = listed[trial.facts]
        for pair in trial.pairs.test:
            base, source = prompts[pair.base], prompts[pair.source]
            kind = "cause" if pair.cause else "isolation"
            items.append(f"{trial.label}/{kind}: {base.text} < {source.text}")
            clusters.append(f"{trial.facts}/{base.entity}")
        # Each kind is half of an attribute's pairs.
        weight = 2 / len(cause)
        for kind, counted in (("cause", cause), ("isolation", 1 - cause)):
            columns[f"{kind}_weight"].append(weight * counted)
            columns[f"{kind}_right"].append(weight * counted * own.right)
            columns[f"mdas_{kind}_right"].append(weight * counted * trial.mdas)
            columns[f"swap_{kind}_right"].append(weight * counted * trial.swap)
        columns["all_cause_right"].append(weight * cause * own.corner)
        columns["none_isolation_right"].append(weight * (1 - cause) * own.corner)
    return Scores(
        tables={
            PAIRS: ItemTable(
                tuple(items), tuple(clusters), {name: np.concatenate(one) for name, one in columns.items()}
            )
        },
        details=describe(studies, trials, outcomes),
        cost={"seconds_per_attribute": sum(one.seconds for one in outcomes.values()) / len(outcomes)},
    )


def describe(studies: Sequence[Study], trials: Sequence[Trial], outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """What the model was asked and knows, what was left out, and the values of each attribute."""
    values = {}
    for trial in trials:
        own, cause = outcomes[trial.label], trial.cause == 1
        values[trial.label] = {
            "cause": float(own.right[cause].mean()),
            "isolation": float(own.right[~cause].mean()),
            "disentanglement": float(own.right.mean()),
            "mdas_disentanglement": float(trial.mdas.mean()),
            "mask_size": own.mask_size,
        }
    return {
        "facts": {one.facts.name: counted(one) for one in studies},
        "attributes": values,
        "mean_mask_size": sum(one.mask_size for one in outcomes.values()) / len(outcomes) if outcomes else None,
    }


def counted(one: Study) -> dict[str, Any]:
    """Prompts asked and known, pairs, and exclusions of a set."""
    attributes = {}
    for pairs in one.pairs:
        about = [prompt.attribute == pairs.attribute for prompt in one.prompts.listed]
        attributes[pairs.attribute] = {
            "prompts": sum(about),
            "known": int(one.known[np.array(about, dtype=np.bool_)].sum()),
            "train_pairs": len(pairs.train),
            "test_pairs": len(pairs.test),
            "test_entities": pairs.test_entities,
            "excluded": pairs.excluded or None,
        }
    return {"attributes": attributes, "not_asked": dict(one.prompts.dropped)}
