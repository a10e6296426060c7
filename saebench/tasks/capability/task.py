"""`capability@1`, from top to bottom: data, protocol, item scores.

Data: multiple-choice questions of lm-eval tasks, packaged ones by default. Protocol: the model answers once, and its
activations at the site are kept; then it answers from there with each dictionary's reconstruction at every token that
counts. Item scores: answer and log-odds of each question, before and after.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from saebench.answers.examination import Examination, answered, correct, examine, log_odds
from saebench.answers.rows import AskedRows, asked_rows
from saebench.data.questions import chosen, question_set
from saebench.errors import SubjectFailed
from saebench.results.schema import DataRecord
from saebench.tasks.capability.card import CARD, QUESTIONS
from saebench.tasks.contract import Bench, ItemTable, Params, Request, Scores, Subject, Task

if TYPE_CHECKING:
    from saebench.dictionaries.contract import Dictionary
    from saebench.lm.model import LanguageModel

Array = np.ndarray[Any, Any]

CERTAIN = 2.0
"""Standard errors by which a model must answer better than chance, or nothing can be said of what it keeps."""


class CapabilityParams(Params):
    """What a suite may set."""

    sets: tuple[str, ...] = Field(default=("saebench_sciq", "saebench_arc_easy"), min_length=1)
    """Packaged question sets, or any multiple-choice task or group of lm-eval (which needs the hub)."""
    questions: int = Field(default=150, ge=1)
    """At most so many of each set."""
    context: int = Field(default=64, ge=4)
    """Longest row in tokens, begin-of-text token included; longer questions are left out and counted."""


class Capability(Task):
    """Scores a dictionary by the answers that a model gives through it. Metrics: `card.METRICS`."""

    card = CARD
    parameters: type[Params] = CapabilityParams

    def __init__(self) -> None:
        self._made: dict[tuple[Params, str, int], tuple[AskedRows, ...]] = {}

    def data(self, params: Params, lm: LanguageModel, eval_seed: int) -> tuple[DataRecord, ...]:
        return tuple(one.record() for one in self.asked(params, lm, eval_seed))

    def asked(self, params: Params, lm: LanguageModel, eval_seed: int) -> tuple[AskedRows, ...]:
        """The questions of each set as rows, read once for each setting.

        Raises:
            UnknownName, UsageError, DataError, AssetError: as `question_set`.
        """
        own = params if isinstance(params, CapabilityParams) else CapabilityParams()
        key = (own, lm.tokenizer_hash, eval_seed)
        if key not in self._made:
            made = []
            for name in own.sets:
                held = question_set(name)
                ordered = chosen(held.questions, len(held.questions), seed=eval_seed, what="capability")
                made.append(
                    asked_rows(ordered, lm, context=own.context, most=own.questions, name=name, licence=held.licence)
                )
            self._made[key] = tuple(made)
        return self._made[key]

    def needs(self, subject: Subject) -> tuple[Request, ...]:
        return ()

    def run(self, subjects: Sequence[Subject], bench: Bench) -> dict[str, Scores]:
        """Set by set: the model's own answers once, then those through each subject."""
        site = subjects[0].site
        sets = self.asked(bench.params, bench.lm, bench.eval_seed)
        done, kept = bench.journal.load() or (0, {})
        clean: dict[str, Array] = {}
        with bench.progress.bar(f"{self.card.name} {site}", len(sets), "set") as bar:
            for asked in sets:
                exam = examine(bench, asked, site)
                clean[asked.name] = exam.clean
                for subject in bench.alive(subjects):
                    key = f"{subject.fingerprint}/{asked.name}"
                    if key in kept:
                        continue
                    with bench.guard(subject):
                        began = time.perf_counter()
                        kept[key] = answers_through(subject.dictionary(), exam)
                        kept[f"{key}/seconds"] = np.array(time.perf_counter() - began)
                        done += 1
                        bench.journal.save(done, kept)
                bar.advance()
        scores = {}
        for subject in bench.alive(subjects):
            own = {asked.name: kept[f"{subject.fingerprint}/{asked.name}"] for asked in sets}
            seconds = sum(float(kept[f"{subject.fingerprint}/{asked.name}/seconds"]) for asked in sets)
            scores[subject.fingerprint] = finish(sets, clean, own, seconds)
        return scores


@torch.no_grad()
def answers_through(dictionary: Dictionary, exam: Examination) -> Array:
    """Log-likelihood of every row with the reconstruction at the site, `[n]`.

    Raises:
        SubjectFailed: the dictionary reads whole sequences, or its reconstruction is not sound.
    """
    if dictionary.traits.sequence_coupled:
        raise SubjectFailed("its codes depend on the other tokens of a row, and the questions are read token by token")
    made = np.empty(len(exam.clean))
    for block in exam.blocks():
        edited = block.edited(reconstructed(dictionary, block.tokens))
        made[block.asked] = block.changed(edited, exam.lm, exam.clean[block.asked])
    return made


def reconstructed(dictionary: Dictionary, x: Tensor) -> Tensor:
    """decode(encode(x)), checked.

    Raises:
        SubjectFailed: the wrong shape, or not finite.
    """
    decoded = dictionary.decode(dictionary.encode(x), x if dictionary.traits.needs_x_in_decode else None)
    if decoded.shape != x.shape:
        raise SubjectFailed(f"decode gave shape {tuple(decoded.shape)}, its site has {tuple(x.shape)}")
    if not bool(torch.isfinite(decoded).all()):
        raise SubjectFailed("the reconstruction holds NaN or an infinity")
    return decoded


def finish(sets: Sequence[AskedRows], clean: dict[str, Array], own: dict[str, Array], seconds: float) -> Scores:
    """Item table and details of one subject.

    Args:
        sets: the questions.
        clean, own: log-likelihood of every row of a set, before and after.
        seconds: what the subject took.
    """
    columns: dict[str, list[Array]] = {}
    items: list[str] = []
    details: dict[str, Any] = {}
    for asked in sets:
        before, after = clean[asked.name], own[asked.name]
        right, still = correct(before, asked), correct(after, asked)
        numbers = {
            "clean": right,
            "correct": still,
            "chance": asked.chance,
            "log_odds_clean": log_odds(before, asked),
            "log_odds": log_odds(after, asked),
            "changed": answered(before, asked) != answered(after, asked),
            "weight": np.ones(len(right)),
        }
        weight = 1 / (len(sets) * len(right))
        for name, column in numbers.items():
            columns.setdefault(name, []).append(weight * column.astype(np.float64))
        items += [f"{asked.name}/{question.id}" for question in asked.questions]
        details[asked.name] = {
            "questions": len(right),
            "too_long": asked.dropped,
            "accuracy_clean": float(right.mean()),
            "accuracy": float(still.mean()),
            "chance": float(asked.chance.mean()),
            "log_odds_change": float((numbers["log_odds"] - numbers["log_odds_clean"]).mean()),
        }
    table = ItemTable(tuple(items), tuple(items), {name: np.concatenate(parts) for name, parts in columns.items()})
    return Scores(
        tables={QUESTIONS: table},
        details={"sets": details},
        cost={"seconds": seconds},
        undefined=undefined(table),
    )


def undefined(table: ItemTable) -> dict[str, str]:
    """Why nothing can be said of what the model keeps, where it knows nothing that it could lose."""
    gap = table.combine({"clean": 1, "chance": -1})
    error = float(np.sqrt(len(gap)) * gap.std())
    if gap.sum() > CERTAIN * error and gap.sum() > 0:
        return {}
    right, chance = float(table.columns["clean"].sum()), float(table.columns["chance"].sum())
    return {
        "capability_kept": f"the model itself answers {right:.3f} right, not clearly more than chance ({chance:.3f})"
    }
