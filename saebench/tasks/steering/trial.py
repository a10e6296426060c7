"""What all subjects of a group share: the plain model's answers, and each concept with its prompts and its scorer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch

from saebench.data.read_concepts import ReadConcept
from saebench.errors import ConfigError, DataError
from saebench.fingerprint import digest
from saebench.lm.model import LanguageModel
from saebench.lm.steering import Continuations, Edit, Prompts, continued
from saebench.tasks.contract import Bench
from saebench.tasks.steering.detectors import detector_of, taught
from saebench.tasks.steering.params import SteeringParams
from saebench.tasks.steering.prompting import asking, drawn, prompts_of, shown
from saebench.tasks.steering.reading import loss_of, represented
from saebench.tasks.steering.scoring import Scorer, Topics

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]
Arrays = dict[str, np.ndarray[Any, Any]]

REVISION = 1
"""Raised when artefacts of the same settings mean something else."""
LEAST_PER_CLASS = 6
"""Texts of a class that a detector needs."""
SCALING = 48
"""Texts that give the scale of fluency."""


@dataclass(frozen=True, eq=False)
class Answers:
    """The instructions, and what the plain model says to each.

    Attributes:
        instructions: the list.
        prompts: the instructions as prompts.
        said: a continuation of each.
        topics: how texts are held against the instructions.
    """

    instructions: tuple[str, ...]
    prompts: Prompts
    said: Continuations
    topics: Topics


@dataclass(frozen=True, eq=False)
class Trial:
    """One concept, ready to be steered.

    Attributes:
        concept: its texts.
        own: the instruction of each prompt, int64 `[P]`; the first half chooses, the others are reported.
        prompts: the prompts, `[P]`.
        scorer: scores texts.
        plain, prompted: values `[P]` by name of the plain model's texts, and of its texts when asked in words.
        plain_texts, prompted_texts: these texts.
        examples: training texts that bear the concept.
        auroc: of the detector.
        excluded: why the concept is not counted; empty where it is.
    """

    concept: ReadConcept
    own: IntArray
    prompts: Prompts
    scorer: Scorer
    plain: Mapping[str, FloatArray]
    prompted: Mapping[str, FloatArray]
    plain_texts: tuple[str, ...]
    prompted_texts: tuple[str, ...]
    examples: tuple[str, ...]
    auroc: float
    excluded: str

    @property
    def choosing(self) -> range:
        """The prompts that choose factors."""
        return range(len(self.own) // 2)

    @property
    def reported(self) -> range:
        """The prompts that are reported."""
        return range(len(self.own) // 2, len(self.own))


def reader_of(lm: LanguageModel, site: str, params: SteeringParams) -> str:
    """The site at which texts are read: another one than is steered, and above it.

    Raises:
        UnknownName: no such site.
        ConfigError: it is not above the steered site.
    """
    steered = lm.site(site)
    middle = (steered.layer + lm.n_layers) // 2
    found = lm.site(params.reader or f"blocks.{middle}.hook_resid_post")
    if found.depth <= steered.depth:
        raise ConfigError(
            f"texts would be read at {found.name}, which is not above the steered site {site}",
            field="reader",
            remedy="name a later site, or steer an earlier one",
        )
    return found.name


def plain_edit(acts: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Nothing."""
    return acts


def answers(bench: Bench, instructions: tuple[str, ...], site: str, params: SteeringParams) -> Answers:
    """Continue every instruction with the plain model, once for all concepts and subjects."""
    lm, reader = bench.lm, reader_of(bench.lm, site, params)
    prompts = prompts_of(lm, instructions)

    def make() -> Arrays:
        said = continued(lm, site, prompts, torch.arange(len(prompts)), plain_edit, params.new_tokens)
        texts, _ = represented(lm, reader, said.texts(lm.tokenizer), params.new_tokens + 1)
        asked, _ = represented(lm, reader, instructions, params.new_tokens + 1)
        return {**to_arrays(said), "texts": texts, "asked": asked}

    identity = {"instructions": list(instructions), "reader": reader, "tokens": params.new_tokens, "version": REVISION}
    made = bench.artefact("plain answers of steering", identity, make)
    return Answers(instructions, prompts, from_arrays(made), Topics.of(made["asked"], made["texts"]))


def trial_of(bench: Bench, one: ReadConcept, told: Answers, site: str, params: SteeringParams) -> Trial:
    """Teach the detector of a concept, and score what the plain model says, asked for the concept or not.

    Raises:
        DataError: too few texts for a detector.
    """
    lm, reader, context = bench.lm, reader_of(bench.lm, site, params), params.new_tokens + 1
    texts = [one.texts[row] for row in one.test]
    if min(np.bincount(one.y_test, minlength=2)) < LEAST_PER_CLASS:
        raise DataError(f"fewer than {LEAST_PER_CLASS} texts of a class are left for a detector", file=one.name)
    own = np.array(drawn(told.instructions, params.prompts, one.name, bench.eval_seed))
    examples = [one.texts[row] for row, label in zip(one.train, one.y_train, strict=True) if label == 1]

    def teach() -> Arrays:
        shuffle = torch.Generator().manual_seed(bench.eval_seed)
        losses = loss_of(lm, texts[:SCALING], context), loss_of(lm, texts[:SCALING], context, shuffle)
        detector = taught(params.detector, texts, one.y_test, others, lm, reader, context)
        return {**detector, "losses": np.array(losses)}

    def ask() -> Arrays:
        prompts = prompts_of(lm, [asking(told.instructions[number], shown(examples)) for number in own])
        said = continued(lm, site, prompts, torch.arange(len(prompts)), plain_edit, params.new_tokens)
        return to_arrays(said)

    others = [text for number, text in enumerate(told.said.texts(lm.tokenizer)) if number not in own]
    identity = {"texts": digest([texts, others]), "y": one.y_test.tolist(), "reader": reader, "context": context}
    made = bench.artefact(
        "detector of steering",
        {**identity, "kind": params.detector, "seed": bench.eval_seed, "version": REVISION},
        teach,
    )
    asked = {"examples": examples, "instructions": [told.instructions[number] for number in own]}
    prompted = bench.artefact(
        "prompted answers of steering", {**asked, "tokens": params.new_tokens, "version": REVISION}, ask
    )
    natural, shuffled = made["losses"].tolist()
    scorer = Scorer(lm, reader, context, detector_of(made), told.topics, natural, shuffled)
    plain_texts, plain = scorer.values(told.said.some(torch.from_numpy(own)), own)
    prompted_texts, in_words = scorer.values(from_arrays(prompted), own)
    auroc = float(made["auroc"])
    return Trial(
        one,
        own,
        Prompts(told.prompts.tokens[own], told.prompts.mask[own]),
        scorer,
        plain,
        in_words,
        tuple(plain_texts),
        tuple(prompted_texts),
        shown(examples),
        auroc,
        excluded_for(auroc, natural, shuffled, params),
    )


def excluded_for(auroc: float, natural: float, shuffled: float, params: SteeringParams) -> str:
    """Why a concept is not counted, or nothing."""
    if auroc < params.least_auroc:
        return f"its detector has an AUROC of {auroc:.2f}, below {params.least_auroc:g}"
    if natural >= shuffled:
        return "the model predicts shuffled texts no worse than the texts themselves"
    return ""


def steered(
    bench: Bench, trial: Trial, site: str, edit: Edit, factors: int, steps: int
) -> tuple[list[list[str]], dict[str, FloatArray]]:
    """Texts `[factors][P]` and values `[factors, P]` by name; row `factor * P + prompt` is what `edit` is asked for."""
    count = len(trial.own)
    prompt_of = torch.arange(count).repeat(factors)
    said = continued(bench.lm, site, trial.prompts, prompt_of, edit, steps)
    texts, values = trial.scorer.values(said, np.tile(trial.own, factors))
    rows = [texts[start : start + count] for start in range(0, len(texts), count)]
    return rows, {name: column.reshape(factors, count) for name, column in values.items()}


def to_arrays(said: Continuations) -> Arrays:
    """Continuations as an artefact."""
    return {name: value.numpy() for name, value in vars(said).items()}


def from_arrays(arrays: Mapping[str, np.ndarray[Any, Any]]) -> Continuations:
    """The inverse of `to_arrays`."""
    return Continuations(
        **{field.name: torch.from_numpy(np.array(arrays[field.name])) for field in fields(Continuations)}
    )
