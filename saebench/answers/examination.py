"""Questions put to a model from one site upwards: what it answers when the activations there are edited."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saebench.activations.sets import ActivationSet
from saebench.answers.rows import AskedRows, IntArray
from saebench.lm.choices import AtSite, likelihoods

if TYPE_CHECKING:
    from saebench.data.packing import PackedRows
    from saebench.lm.model import LanguageModel

FloatArray = NDArray[np.float64]

CONTEXTS = 4
"""Questions are short: a row of a suite's block is worth so many contexts, with all their continuations."""


@dataclass(frozen=True, eq=False)
class Block:
    """Some contexts with their continuations, on the model's device.

    Attributes:
        asked: numbers of the rows among those of the examination, `[r]`.
        contexts: padded on the left.
        goings_on: padded on the right.
        context_of: the context of each continuation, `[r]`.
        counted: where an edit applies, bool, of contexts and of continuations.
    """

    asked: IntArray
    contexts: AtSite
    goings_on: AtSite
    context_of: Tensor
    counted: tuple[Tensor, Tensor]

    @property
    def tokens(self) -> Tensor:
        """Activations of the tokens that count, `[n, width]`: those of contexts, then those of continuations."""
        parts = zip((self.contexts, self.goings_on), self.counted, strict=True)
        return torch.cat([rows.x[counts] for rows, counts in parts])

    def edited(self, tokens: Tensor) -> Block:
        """The block with other activations `[n, width]` for its `tokens`."""
        size = int(self.counted[0].sum())
        parts = []
        for rows, counts, own in zip(
            (self.contexts, self.goings_on), self.counted, (tokens[:size], tokens[size:]), strict=True
        ):
            x = rows.x.clone()
            x[counts] = own.to(x.dtype)
            parts.append(replace(rows, x=x))
        return replace(self, contexts=parts[0], goings_on=parts[1])

    def likelihoods(self, lm: LanguageModel, site: str) -> FloatArray:
        """Log-likelihood of each continuation, `[r]`."""
        made: FloatArray = likelihoods(lm, site, self.contexts, self.goings_on, self.context_of).cpu().numpy()
        return made

    def changed(self, other: Block, lm: LanguageModel, site: str, known: FloatArray) -> FloatArray:
        """The likelihoods of `other`, an edit of this block, whose own ones are `known`.

        Only contexts that the edit changed, or a continuation of theirs, are run: the answers of the others are known.
        """
        touched = (other.contexts.x != self.contexts.x).flatten(1).any(1)
        moved = (other.goings_on.x != self.goings_on.x).flatten(1).any(1)
        touched[self.context_of[moved]] = True
        made = known.copy()
        if bool(touched.any()):
            rows = touched[self.context_of].nonzero()[:, 0]
            place = touched.long().cumsum(0) - 1
            part = likelihoods(
                lm,
                site,
                other.contexts.some(touched.nonzero()[:, 0]),
                other.goings_on.some(rows),
                place[self.context_of[rows]],
            )
            made[rows.cpu().numpy()] = part.cpu().numpy()
        return made


@dataclass(frozen=True, eq=False)
class Examination:
    """Questions with stored activations of their rows.

    Attributes:
        asked: the questions.
        acts: activations of the site over their rows.
        entry: those of the site that resuming needs besides, or None.
        lm: who is asked.
        rows_per_block: rows of the suite's blocks.
    """

    asked: AskedRows
    acts: ActivationSet
    entry: ActivationSet | None
    lm: LanguageModel
    rows_per_block: int

    @property
    def site(self) -> str:
        """The site."""
        return self.acts.site

    def blocks(self, questions: IntArray | None = None) -> Iterator[Block]:
        """All rows, or those of some questions, contexts of like length together."""
        rows = np.arange(len(self.asked.length))
        if questions is not None:
            rows = rows[np.isin(self.asked.question_of, questions)]
        of = self.asked.context_of[rows]
        contexts = np.unique(of)
        order = contexts[np.lexsort((contexts, self.asked.context[contexts]))]
        size = CONTEXTS * self.rows_per_block
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            yield self._block(chosen, rows[np.isin(of, chosen)])

    def answers(self, questions: IntArray | None = None) -> FloatArray:
        """Log-likelihood of every row as the activations are, `[n]`; NaN for rows of questions not asked."""
        made = np.full(len(self.asked.length), np.nan)
        for block in self.blocks(questions):
            made[block.asked] = block.likelihoods(self.lm, self.site)
        return made

    def _block(self, contexts: IntArray, rows: IntArray) -> Block:
        place = {int(row): number for number, row in enumerate(contexts)}
        context_of = np.array([place[int(row)] for row in self.asked.context_of[rows]])
        begins, ends = self.asked.context, self.asked.length
        before = [np.arange(begins[row]) for row in contexts]
        after = [np.arange(begins[row], ends[row]) for row in rows]
        first, first_counts = self._at(contexts, before, left=True)
        second, second_counts = self._at(rows, after, left=False)
        # A row's last token is predicted and never read.
        second_counts = second_counts & second.there.roll(-1, 1)
        second_counts[:, -1] = False
        return Block(
            rows, first, second, torch.from_numpy(context_of).to(self.lm.device), (first_counts, second_counts)
        )

    def _at(self, rows: IntArray, places: list[IntArray], *, left: bool) -> tuple[AtSite, Tensor]:
        """Given places of rows, padded on one side, and where an edit applies."""
        width = max(map(len, places))
        there = np.zeros((len(rows), width), bool)
        where = np.zeros((len(rows), width), np.int64)
        for row, own in enumerate(places):
            at = slice(width - len(own), width) if left else slice(0, len(own))
            there[row, at] = True
            where[row, at] = own
        flat = rows[:, None] * self.acts.context + where
        device, dtype = self.lm.device, self.lm.dtype

        def taken(acts: ActivationSet) -> Tensor:
            return acts.take(flat.reshape(-1)).view(*flat.shape, acts.width).to(device, dtype)

        tokens = torch.from_numpy(self.acts.tokens.reshape(-1)[flat].astype(np.int64)).to(device)
        counted = torch.from_numpy(self.acts.mask.reshape(-1)[flat] & there).to(device)
        entry = None if self.entry is None else taken(self.entry)
        return AtSite(tokens, torch.from_numpy(there).to(device), taken(self.acts), entry), counted


class ExaminingBench(Protocol):
    """What an examination asks of a task's bench."""

    lm: LanguageModel
    rows_per_block: int

    def harvest(self, rows: PackedRows, site: str) -> ActivationSet:
        """Stored activations of a site."""


def examine(bench: ExaminingBench, asked: AskedRows, site: str) -> Examination:
    """The questions with their activations, made by one pass of the layers up to the site if need be."""
    entry = bench.lm.entry_site(site)
    below = bench.harvest(asked.rows, entry) if entry else None
    return Examination(asked, bench.harvest(asked.rows, site), below, bench.lm, bench.rows_per_block)


def answered(likely: FloatArray, asked: AskedRows) -> IntArray:
    """The place of the likeliest choice of each question, the first of equals, `[q]`."""
    starts = np.searchsorted(asked.question_of, np.arange(len(asked.questions)))
    return np.array([int(np.argmax(part)) for part in np.split(likely, starts[1:])])


def correct(likely: FloatArray, asked: AskedRows) -> NDArray[np.bool_]:
    """Whether the right choice is the likeliest, `[q]`: lm-eval's `acc`."""
    return np.asarray(answered(likely, asked) == asked.answers)


def log_odds(likely: FloatArray, asked: AskedRows) -> FloatArray:
    """log p(right choice) - log sum of p(wrong choices), in nats, `[q]`."""
    starts = np.searchsorted(asked.question_of, np.arange(len(asked.questions)))
    right = starts + asked.answers
    wrong = likely.copy()
    wrong[right] = -np.inf
    highest = np.maximum.reduceat(wrong, starts)
    rest = highest + np.log(np.add.reduceat(np.exp(wrong - highest[asked.question_of]), starts))
    return np.asarray(likely[right] - rest)
