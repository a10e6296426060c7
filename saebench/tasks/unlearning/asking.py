"""Putting the questions under every configuration of a family of edits, and what prose costs under one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from saebench.answers.examination import Examination, correct
from saebench.lm.loss import per_token_loss
from saebench.tasks.unlearning.curve import Tried, damage
from saebench.tasks.unlearning.edits import Family

if TYPE_CHECKING:
    from saebench.activations.sets import ActivationSet
    from saebench.lm.model import LanguageModel

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Known:
    """Questions of one side that the model as it is answers right: places among those asked, by half."""

    exam: Examination
    validation: IntArray
    test: IntArray

    @classmethod
    def of(cls, exam: Examination, test: NDArray[np.bool_]) -> Known:
        """By the model's own answers."""
        right = correct(exam.clean, exam.asked)
        return cls(exam, np.flatnonzero(right & ~test), np.flatnonzero(right & test))

    def damage(self, likely: FloatArray, questions: IntArray) -> FloatArray:
        """d of some questions, from log-likelihoods `[configurations, rows]`; `[configurations, questions]`."""
        right = np.stack([correct(one, self.exam.asked) for one in likely])[:, questions]
        return damage(right, self.exam.asked.chance[questions])


@torch.no_grad()
def tried(forget: Known, retain: Known, family: Family) -> Tried:
    """All configurations on validation questions; those that some budget chooses on test questions."""
    every = range(len(family.configurations))
    validation = [under(side, side.validation, family, every) for side in (forget, retain)]
    empty = [np.full((len(every), len(side.test)), np.nan) for side in (forget, retain)]
    made = Tried(*validation, *empty)
    which = sorted(set(made.chosen()))
    for side, into in zip((forget, retain), empty, strict=True):
        into[which] = under(side, side.test, family, which)
    return made


def under(side: Known, questions: IntArray, family: Family, which: Sequence[int]) -> FloatArray:
    """d of some questions under some configurations, `[configurations, questions]`."""
    exam = side.exam
    likely = np.repeat(exam.clean[None], len(which), axis=0)
    for block in exam.blocks(questions):
        for place, x in enumerate(family.edited(block.tokens, which)):
            likely[place, block.asked] = block.changed(block.edited(x), exam.lm, exam.clean[block.asked])
    return side.damage(likely, questions)


@torch.no_grad()
def prose_loss(
    lm: LanguageModel, acts: ActivationSet, entry: ActivationSet | None, rows: int, family: Family | None, number: int
) -> tuple[FloatArray, FloatArray]:
    """Summed loss in nats and number of predictions of each document, `[documents]`, under one configuration.

    Args:
        lm: the model; its weights may be other ones than those that made the activations, above the site.
        acts, entry: activations of the documents, one a row.
        rows: documents at a time.
        family: None leaves the activations alone.
        number: of the configuration.
    """
    losses, counts = np.zeros(acts.n_rows), np.zeros(acts.n_rows)
    for start in range(0, acts.n_rows, rows):
        stop = min(start + rows, acts.n_rows)
        x = acts.block(start, stop).to(lm.device, lm.dtype)
        mask = torch.from_numpy(np.array(acts.mask[start:stop])).to(lm.device)
        tokens = torch.from_numpy(acts.tokens[start:stop].astype(np.int64)).to(lm.device)
        if family is not None:
            x[mask] = next(iter(family.edited(x[mask], [number]))).to(x.dtype)
        below = None if entry is None else entry.block(start, stop).to(lm.device, lm.dtype)
        loss = per_token_loss(lm.resume(acts.site, x, tokens, below), tokens)
        predicts = mask[:, :-1] & mask[:, 1:]
        losses[start:stop] = torch.where(predicts, loss, 0.0).sum(1, dtype=torch.float64).cpu().numpy()
        counts[start:stop] = predicts.sum(1).cpu().numpy()
    return losses, counts
