"""Questions put to a model from one site upwards: what it answers when the activations there are edited."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saebench.answers.rows import AskedRows, IntArray
from saebench.lm.choices import AtSites, Choices, read, resumed

if TYPE_CHECKING:
    from saebench.activations.artefacts import Arrays
    from saebench.lm.model import LanguageModel

FloatArray = NDArray[np.float64]

CONTEXTS = 4
"""Questions are short: a row of a suite's block is worth so many contexts, with all their continuations."""
VERSION = 1
"""Raise it when what is kept of an examination means something else."""


class ExaminingBench(Protocol):
    """What an examination asks of a task's bench."""

    lm: LanguageModel
    rows_per_block: int

    def artefact(self, name: str, identity: Mapping[str, Any], make: Callable[[], Arrays]) -> Arrays:
        """Named arrays, made once and kept."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Some contexts with all their continuations, and where their tokens stand in an examination's flat arrays.

    Attributes:
        asked: numbers of the rows, `[r]`.
        choices: what the model reads.
        contexts, goings_on: flat place of each token, `[b, T]` and `[r, K - 1]`; 0 at padding.
        counted: where an edit applies, bool, of the same shapes.
    """

    asked: IntArray
    choices: Choices
    contexts: Tensor
    goings_on: Tensor
    counted: tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Block:
    """A layout with the activations of the model as it is, on its device."""

    layout: Layout
    site: str
    at: AtSites

    @property
    def asked(self) -> IntArray:
        """Numbers of the rows among those of the examination, `[r]`."""
        return self.layout.asked

    @property
    def tokens(self) -> Tensor:
        """Activations of the tokens that count, `[n, width]`: those of contexts, then those of continuations."""
        first, second = self.layout.counted
        return torch.cat([self.at.contexts[self.site][first], self.at.goings_on[self.site][second]])

    def edited(self, tokens: Tensor) -> Block:
        """The block with other activations `[n, width]` for its `tokens`."""
        first, second = self.layout.counted
        size = int(first.sum())
        parts = []
        for held, counts, own in ((self.at.contexts, first, tokens[:size]), (self.at.goings_on, second, tokens[size:])):
            x = held[self.site].clone()
            x[counts] = own.to(x.dtype)
            parts.append({**held, self.site: x})
        return Block(self.layout, self.site, AtSites(*parts))

    def likelihoods(self, lm: LanguageModel) -> FloatArray:
        """Log-likelihood of each continuation, `[r]`."""
        made: FloatArray = resumed(lm, self.layout.choices, self.site, self.at).cpu().numpy()
        return made

    def changed(self, other: Block, lm: LanguageModel, known: FloatArray) -> FloatArray:
        """The likelihoods of `other`, an edit of this block, whose own ones are `known`.

        Only contexts that the edit changed, or a continuation of theirs, are run: the answers of the others are known.
        """
        of = self.layout.choices.context_of
        touched = (other.at.contexts[self.site] != self.at.contexts[self.site]).flatten(1).any(1)
        moved = (other.at.goings_on[self.site] != self.at.goings_on[self.site]).flatten(1).any(1)
        touched[of[moved]] = True
        made = known.copy()
        if bool(touched.any()):
            contexts, rows = touched.nonzero()[:, 0], touched[of].nonzero()[:, 0]
            at = AtSites(
                {site: x[contexts] for site, x in other.at.contexts.items()},
                {site: x[rows] for site, x in other.at.goings_on.items()},
            )
            part = resumed(lm, self.layout.choices.some(contexts, rows), self.site, at)
            made[rows.cpu().numpy()] = part.cpu().numpy()
        return made


@dataclass(frozen=True, eq=False)
class Examination:
    """Questions with the activations of their tokens at a site.

    Tokens lie flat: those of each distinct context, one context after the other, then those of each row's continuation
    but for its last token.

    Attributes:
        asked: the questions.
        lm: who is asked.
        site: where its activations are edited.
        acts: by site, `[tokens, width]` on the CPU: the site, and its entry site where it has one.
        clean: log-likelihood of every row under the model as it is, `[n]`.
        rows_per_block: rows of the suite's blocks.
    """

    asked: AskedRows
    lm: LanguageModel
    site: str
    acts: Mapping[str, Tensor]
    clean: FloatArray
    rows_per_block: int

    def blocks(self, questions: IntArray | None = None) -> Iterator[Block]:
        """All rows, or those of some questions, contexts of like length together."""
        for layout in layouts(self.asked, self.lm, self.rows_per_block, questions):
            first, second = layout.contexts.cpu(), layout.goings_on.cpu()
            at = AtSites(
                {site: x[first].to(self.lm.device, self.lm.dtype) for site, x in self.acts.items()},
                {site: x[second].to(self.lm.device, self.lm.dtype) for site, x in self.acts.items()},
            )
            yield Block(layout, self.site, at)


def examine(bench: ExaminingBench, asked: AskedRows, site: str) -> Examination:
    """The questions with activations and answers of the model as it is, made by one pass of it and kept.

    Raises:
        UnknownName: for a wrong site.
    """
    lm = bench.lm
    entry = lm.entry_site(site)
    sites = [site, *([entry] if entry else [])]

    def make() -> Arrays:
        held = {name: torch.zeros(asked.flat_tokens, lm.site(name).width) for name in sites}
        clean = np.zeros(len(asked.length))
        for layout in layouts(asked, lm, bench.rows_per_block):
            likely, at = read(lm, layout.choices, sites)
            clean[layout.asked] = likely.cpu().numpy()
            for name, x in held.items():
                x[layout.contexts[layout.choices.there]] = at.contexts[name][layout.choices.there].float().cpu()
                read_on = layout.choices.asked[:, 1:]
                x[layout.goings_on[read_on].cpu()] = at.goings_on[name][read_on].float().cpu()
        return {"clean": clean, **{name: x.numpy() for name, x in held.items()}}

    identity = {"questions": asked.fingerprint, "sites": sites, "batch": bench.rows_per_block, "version": VERSION}
    kept = bench.artefact("questions at a site", identity, make)
    acts = {name: torch.from_numpy(kept[name]) for name in sites}
    return Examination(asked, lm, site, acts, kept["clean"], bench.rows_per_block)


def layouts(
    asked: AskedRows, lm: LanguageModel, rows_per_block: int, questions: IntArray | None = None
) -> Iterator[Layout]:
    """The rows of all questions, or of some, in blocks: contexts by length, each with all its continuations."""
    rows = np.arange(len(asked.length))
    if questions is not None:
        rows = rows[np.isin(asked.question_of, questions)]
    of = asked.context_of[rows]
    contexts = np.unique(of)
    order = contexts[np.lexsort((contexts, asked.context[contexts]))]
    for start in range(0, len(order), CONTEXTS * rows_per_block):
        chosen = order[start : start + CONTEXTS * rows_per_block]
        yield _layout(asked, lm, chosen, rows[np.isin(of, chosen)])


def _layout(asked: AskedRows, lm: LanguageModel, contexts: IntArray, rows: IntArray) -> Layout:
    begins, ends = asked.context, asked.length
    width, longest = int(begins[contexts].max()), int((ends - begins)[rows].max())
    back = np.arange(width) - width + begins[contexts][:, None]
    there = back >= 0
    onwards = begins[rows][:, None] + np.arange(longest)
    following = onwards < ends[rows][:, None]
    tokens, mask = asked.rows.tokens.astype(np.int64), asked.rows.mask

    def picked(values: NDArray[Any], of: IntArray, places: IntArray, within: NDArray[np.bool_]) -> NDArray[Any]:
        return np.where(within, values[of[:, None], np.where(within, places, 0)], 0)

    by_number = np.argsort(contexts)
    on = {
        "contexts": picked(tokens, contexts, back, there),
        "there": there,
        "goings_on": picked(tokens, rows, onwards, following),
        "asked": following,
        "context_of": by_number[np.searchsorted(contexts[by_number], asked.context_of[rows])],
    }
    read_on = following[:, 1:]
    first = np.where(there, asked.context_start[contexts][:, None] + back, 0)
    second = np.where(read_on, asked.continuation_start[rows][:, None] + np.arange(longest - 1), 0)
    counted = (
        picked(mask, contexts, back, there).astype(bool),
        picked(mask, rows, onwards[:, :-1], read_on).astype(bool),
    )
    return Layout(
        rows,
        Choices(**{name: torch.from_numpy(np.ascontiguousarray(one)).to(lm.device) for name, one in on.items()}),
        torch.from_numpy(first),
        torch.from_numpy(second),
        (torch.from_numpy(counted[0]).to(lm.device), torch.from_numpy(counted[1]).to(lm.device)),
    )


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
