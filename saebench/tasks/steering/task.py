"""`steering@1`, from top to bottom: data, protocol, item scores.

Data: concepts, split into texts that methods are fitted on and texts that teach and judge a detector; instructions that
have nothing to do with them. Protocol: a subject's direction for a concept is added to the activations of a site with
each factor while the model answers each instruction of the concept, all factors and instructions in one batch. The
plain model walks along, which gives the loss of the text and the distance between both models. Half of the instructions
choose the factor, the others are reported; so is the place on the curve of factors at which that distance is equal for
all subjects. Item scores: one row a concept and a reported instruction.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from saebench.answers.examination import Examination, examine
from saebench.answers.rows import AskedRows
from saebench.baselines.concepts.direction import ConceptDirection
from saebench.baselines.concepts.fitting import fitted
from saebench.baselines.concepts.latents import BestLatent, OutputLatent
from saebench.baselines.concepts.method import ConceptMethod
from saebench.data.concepts import Sizes, concepts
from saebench.data.instructions import OPEN, instructions
from saebench.data.read_concepts import ReadConcept, read_concept
from saebench.errors import ConfigError, DataError, SubjectFailed
from saebench.fingerprint import digest
from saebench.judges import open_judge
from saebench.lm.model import LanguageModel
from saebench.lm.steering import Prompts
from saebench.lm.synthetic.presets import is_synthetic
from saebench.results.schema import DataRecord
from saebench.tasks.contract import Bench, Params, Request, Scores, Subject, Task
from saebench.tasks.steering.account import Outcome, finish, no_metric
from saebench.tasks.steering.card import CARD
from saebench.tasks.steering.curve import COLUMNS, Curve
from saebench.tasks.steering.effects import EffectLatent, effect_map
from saebench.tasks.steering.interventions import edit_of
from saebench.tasks.steering.judging import judgement
from saebench.tasks.steering.params import SteeringParams
from saebench.tasks.steering.side_effects import questions_of, right_under
from saebench.tasks.steering.trial import REVISION, Answers, Trial, answers, steered, trial_of

LICENCE = "Apache-2.0"
"""Of the packaged instructions, which are ours."""
EFFECT_PROMPTS = 2
"""Instructions on which effects of directions are measured."""


class Steering(Task):
    """Scores methods and dictionaries by what their directions make the model write. Metrics: `card.METRICS`."""

    card = CARD
    takes = ("concept", "dictionary")
    parameters: type[Params] = SteeringParams

    def __init__(self) -> None:
        self._made: dict[tuple[SteeringParams, str, int], tuple[ReadConcept, ...]] = {}
        self._questions: dict[tuple[SteeringParams, str, int], AskedRows] = {}

    def data(self, params: Params, lm: LanguageModel, eval_seed: int) -> tuple[DataRecord, ...]:
        """The concepts and the instructions.

        Raises:
            UnknownName, ConfigError, DataError, AssetError: parameters that do not go together, or data that cannot be
                read.
        """
        assert isinstance(params, SteeringParams)
        if is_synthetic(lm.name):
            raise DataError(f"{lm.name} writes no text: there is nothing to steer")
        check(params)
        asked = instructions(params.instructions)
        if len(asked) < params.prompts:
            raise ConfigError(f"there are {len(asked)} instructions for {params.prompts} prompts", field="prompts")
        told = DataRecord(
            part="instructions",
            name=params.instructions,
            fingerprint=digest(asked),
            licence=LICENCE if params.instructions == OPEN else "not stated",
            documents=len(asked),
            tokens=sum(len(ids) for ids in lm.tokenizer(list(asked), add_special_tokens=False)["input_ids"]),
            packing={"layout": "one instruction a prompt"},
            mask_rule="nothing is read of them",
        )
        asked_besides = self.questions(params, lm, eval_seed)
        besides = (asked_besides.record(),) if asked_besides else ()
        return (*(one.record() for one in self.concepts(params, lm, eval_seed)), told, *besides)

    def concepts(self, params: SteeringParams, lm: LanguageModel, eval_seed: int) -> tuple[ReadConcept, ...]:
        """The concepts as the model reads them, read once for each setting."""
        key = (params, lm.tokenizer_hash, eval_seed)
        if key not in self._made:
            sizes = Sizes(params.train_rows, params.detector_rows, 0)
            self._made[key] = tuple(
                read_concept(one, lm.tokenizer, tokenizer_hash=lm.tokenizer_hash, context=params.context)
                for one in concepts(params.concepts, sizes, eval_seed)
            )
        return self._made[key]

    def questions(self, params: SteeringParams, lm: LanguageModel, eval_seed: int) -> AskedRows | None:
        """The questions about side effects, where there are any."""
        if not params.side_effect:
            return None
        key = (params, lm.tokenizer_hash, eval_seed)
        if key not in self._questions:
            self._questions[key] = questions_of(lm, params.side_effect, params.side_limit, eval_seed)
        return self._questions[key]

    def needs(self, subject: Subject) -> tuple[Request, ...]:
        return ()

    def run(self, subjects: Sequence[Subject], bench: Bench) -> dict[str, Scores]:
        """Concept by concept: what all subjects share once, then one batched generation a subject."""
        params = bench.params
        assert isinstance(params, SteeringParams)
        site = subjects[0].site
        asked = self.concepts(params, bench.lm, bench.eval_seed)
        told = answers(bench, instructions(params.instructions), site, params)
        if told.topics.lacking:
            nothing = Scores({}, undefined=no_metric(told.topics.lacking))
            return {subject.fingerprint: nothing for subject in subjects}
        questions = self.questions(params, bench.lm, bench.eval_seed)
        exam = examine(bench, questions, site) if questions else None
        outcomes, trials = restore(bench), []
        undirected: dict[str, str] = {}
        with bench.progress.bar(f"{self.card.name} {site}", len(asked) * len(subjects), "curve") as bar:
            for one in asked:
                trials.append(trial_of(bench, one, told, site, params))
                for subject in bench.alive(subjects):
                    key = (subject.fingerprint, one.name)
                    if not (trials[-1].excluded or key in outcomes or subject.fingerprint in undirected):
                        with bench.guard(subject):
                            method = method_of(bench, subject, told, site, params)
                            made = outcome(bench, method, trials[-1], site, params, exam)
                            if isinstance(made, str):
                                undirected[subject.fingerprint] = made
                            else:
                                outcomes[key] = made
                                bench.journal.save(len(outcomes), snapshot(outcomes))
                    bar.advance()
        judge = open_judge(params.judge, device=str(bench.lm.device), progress=bench.progress) if params.judge else None
        scores = {}
        for subject in bench.alive(subjects):
            if reason := undirected.get(subject.fingerprint):
                scores[subject.fingerprint] = Scores({}, undefined=no_metric(reason))
                continue
            own = {one.name: outcomes.get((subject.fingerprint, one.name)) for one in asked}
            verdict = judgement(judge, own, trials, told.instructions) if judge else None
            scores[subject.fingerprint] = finish(own, trials, params, exam, verdict)
        return scores


def check(params: SteeringParams) -> None:
    """Refuse parameters that do not go together.

    Raises:
        ConfigError: says which.
    """
    if list(params.factors) != sorted(set(params.factors)):
        raise ConfigError("factors must rise", field="factors", remedy="list each once, the smallest first")
    if params.mode == "complement" and params.factors[-1] > 1:
        raise ConfigError(
            f"mode complement takes away a share, and {params.factors[-1]:g} is none",
            field="factors",
            remedy="give factors up to 1",
        )


def method_of(bench: Bench, subject: Subject, told: Answers, site: str, params: SteeringParams) -> ConceptMethod:
    """A concept method itself; of a dictionary, what the parameters make of it."""
    if subject.kind == "concept":
        return subject.concept()
    dictionary = subject.dictionary()
    if params.latent == "auroc":
        return BestLatent(dictionary)
    if params.latent == "output":
        return OutputLatent(dictionary)
    count = params.effect_directions
    prompts = Prompts(told.prompts.tokens[:EFFECT_PROMPTS], told.prompts.mask[:EFFECT_PROMPTS])
    identity = {
        "dictionary": dictionary.fingerprint(),
        "site": site,
        "directions": count,
        "prompts": told.instructions[:EFFECT_PROMPTS],
        "version": REVISION,
    }
    effects = bench.artefact(
        "effects of directions", identity, lambda: effect_map(dictionary, bench.lm, site, prompts, count)
    )
    return EffectLatent(dictionary, effects, count)


def outcome(
    bench: Bench, method: ConceptMethod, trial: Trial, site: str, params: SteeringParams, exam: Examination | None
) -> Outcome | str:
    """Fit one method on one concept, and answer every instruction with every factor; or why it has no direction.

    Raises:
        SubjectFailed: the method cannot be fitted on this concept.
    """
    began = time.perf_counter()
    try:
        found = fitted(bench, method, trial.concept, site)
    except (SubjectFailed, DataError) as error:
        raise SubjectFailed(f"concept '{trial.concept.name}': {error}") from error
    if found.direction is None:
        return found.lacking
    reach, count = unit_of(found, params), len(trial.own)
    strengths = torch.tensor(params.factors).repeat_interleave(count) * reach
    edit = edit_of(params.mode, found.direction.expand(len(strengths), -1), strengths)
    texts, values = steered(bench, trial, site, edit, len(params.factors), params.new_tokens)
    curve = Curve({name: np.vstack([trial.plain[name], values[name]]) for name in COLUMNS})
    right = None
    if exam:
        best = params.factors[curve.chosen(trial.choosing) - 1] * reach
        right = right_under(exam, edit_of(params.mode, found.direction[None], torch.tensor([best])))
    return Outcome(curve, np.array(texts), reach, found.notes, right, time.perf_counter() - began)


def unit_of(found: ConceptDirection, params: SteeringParams) -> float:
    """What a factor multiplies; the length of activations where no token reaches into the direction."""
    assert found.magnitude is not None
    if params.mode == "complement":
        return 1.0
    reach = found.magnitude.peak if params.unit == "reach" else 0.0
    return reach if reach > 0 else found.magnitude.length


def snapshot(outcomes: Mapping[tuple[str, str], Outcome]) -> dict[str, np.ndarray[Any, Any]]:
    """What a journal keeps: each subject and concept that is done."""
    return {
        f"{fingerprint}/{name}/{key}": array
        for (fingerprint, name), one in outcomes.items()
        for key, array in one.arrays().items()
    }


def restore(bench: Bench) -> dict[tuple[str, str], Outcome]:
    """The inverse of `snapshot`."""
    kept = bench.journal.load()
    parts: dict[tuple[str, str], dict[str, np.ndarray[Any, Any]]] = {}
    for path, array in (kept[1] if kept else {}).items():
        fingerprint, _, rest = path.partition("/")
        name, _, key = rest.rpartition("/")
        parts.setdefault((fingerprint, name), {})[key] = array
    return {key: Outcome.of(arrays) for key, arrays in parts.items()}
