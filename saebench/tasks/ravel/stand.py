"""Where pairs are run: stored activations of all prompts of a set, and the model above the site."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saebench.data.text_rows import rows_of_texts
from saebench.errors import SubjectFailed
from saebench.tasks.contract import Bench
from saebench.tasks.ravel.pairs import Pair
from saebench.tasks.ravel.prompts import Prompts

Array = np.ndarray[Any, Any]
Swap = Callable[[Tensor, Tensor], Tensor]
"""Rows of bases and of sources, each `[b]`, to what stands at the bases' entity token, `[b, width]`."""

EVALUATED_ROWS = 8
"""Prompts are short: one row of a suite's block is worth so many of them."""


class Stand:
    """The prompts of a set with their activations at one site, made by one pass of the layers up to it.

    Attributes:
        entities: `[n, width]`, the activation at each prompt's entity token, on the model's device and in its dtype.
    """

    def __init__(self, bench: Bench, site: str, prompts: Prompts, pairs: Sequence[Pair]) -> None:
        used = sorted({index for pair in pairs for index in (pair.base, pair.source)})
        listed = [prompts.listed[index] for index in used]
        self._row = {index: row for row, index in enumerate(used)}
        self._lm, self._site, self._rows_per_block = bench.lm, site, bench.rows_per_block
        rows = rows_of_texts(
            [one.text for one in listed],
            prompts.tokenizer,
            tokenizer_hash=bench.lm.tokenizer_hash,
            context=1 + max(len(one.ids) for one in listed),
            ids=[f"{one.attribute}: {one.text}" for one in listed],
            name=prompts.facts.name,
            licence=prompts.facts.licence,
        )
        self._tokens = torch.from_numpy(rows.tokens.astype(np.int64))
        self._last = torch.tensor([len(one.ids) for one in listed])
        self._place = torch.tensor([1 + one.place for one in listed])
        self._x = bench.harvest(rows, site).block(0, rows.n_rows)
        entry = bench.lm.entry_site(site)
        self._entry = bench.harvest(rows, entry).block(0, rows.n_rows) if entry else None
        self.rows_fingerprint = rows.fingerprint
        at = self._x[torch.arange(len(used)), self._place]
        self.entities = at.to(bench.lm.device, bench.lm.dtype)

    def logits(self, bases: Tensor, values: Tensor) -> Tensor:
        """Logits `[b, V]`, float32, behind each base prompt with `values` `[b, width]` at its entity token.

        Everything before that token is what it was; only the layers above the site run.
        """
        last = self._last[bases]
        width = int(last.max()) + 1
        device, dtype = self._lm.device, self._lm.dtype
        every = torch.arange(len(bases), device=device)
        acts = self._x[bases, :width].to(device, dtype)
        acts = acts.index_put((every, self._place[bases].to(device)), values.to(device, dtype))
        entry = None if self._entry is None else self._entry[bases, :width].to(device, dtype)
        ends, column = torch.unique(last, return_inverse=True)
        logits = self._lm.resume(self._site, acts, self._tokens[bases, :width].to(device), entry, ends)
        return logits[every, column.to(device)].float()

    def rows(self, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor, Tensor]:
        """Rows of bases, rows of sources, wanted tokens: int64 `[n]` each, on the CPU."""
        found = [(self._row[pair.base], self._row[pair.source], pair.target) for pair in pairs]
        bases, sources, targets = torch.tensor(found, dtype=torch.int64).reshape(-1, 3).T
        return bases, sources, targets

    def correct(self, pairs: Sequence[Pair], swap: Swap) -> Array:
        """Whether the wanted token is the likeliest of the whole vocabulary after the swap, `[n]` float64 of 0 and 1.

        Raises:
            SubjectFailed: the swapped activations are not finite.
        """
        bases, sources, targets = self.rows(pairs)
        out = np.zeros(len(pairs))
        # Prompts of like length share a pass: little padding, and few places whose logits are wanted.
        order = torch.argsort(self._last[bases], stable=True)
        with torch.no_grad():
            for chosen in torch.split(order, EVALUATED_ROWS * self._rows_per_block):
                values = swap(bases[chosen], sources[chosen])
                if not bool(torch.isfinite(values).all()):
                    raise SubjectFailed("the activations that it swaps in hold NaN or an infinity")
                said = self.logits(bases[chosen], values).argmax(1).cpu()
                out[chosen.numpy()] = (said == targets[chosen]).double().numpy()
        return out
