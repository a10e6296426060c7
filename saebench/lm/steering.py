"""Continuing prompts while a site is edited, every row in a way of its own, beside a twin that is left alone.

Each row is an edit of one prompt. All rows go on together, greedily, and beside each one walks its twin: the plain
model, which reads the same tokens. So the loss of what a row says under the plain model, and how far the row's
predictions have gone from it, come with the text.

The prompt is read once by the plain model, whatever the number of rows. Below the site an edit changes nothing, so that
the rows of a prompt share its keys and values there; only the blocks above read the prompt again for each row.

Every position is edited, those of the prompt as well (as in AxBench), but for the first one: the begin-of-text token,
whose huge activation holds no text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from saebench.errors import DataError
from saebench.lm.generation import end_ids, padding_id
from saebench.lm.loss import kl_divergence
from saebench.lm.model import LanguageModel

Edit = Callable[[Tensor, Tensor], Tensor]
"""(activations `[b, t, width]`, numbers `[b]` of their rows) to edited activations of the same shape; each position is
edited by itself."""

ROWS = 128
"""Rows that go on together; with their twins, twice as many sequences."""


@dataclass(frozen=True, eq=False)
class Prompts:
    """Token ids of prompts, padded on the left: `tokens` int64 `[n, T]` and `mask` bool `[n, T]`."""

    tokens: Tensor
    mask: Tensor

    @classmethod
    def of(cls, ids: Sequence[Sequence[int]], pad: int) -> Prompts:
        """From the ids of each prompt, begin-of-text token first.

        Raises:
            DataError: a prompt holds no token besides the first.
        """
        if min(map(len, ids)) < 2:
            raise DataError("a prompt holds no token besides the begin-of-text token", field="prompts")
        width = max(map(len, ids))
        rows = [[pad] * (width - len(one)) + list(one) for one in ids]
        mask = [[False] * (width - len(one)) + [True] * len(one) for one in ids]
        return cls(torch.tensor(rows), torch.tensor(mask))

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, eq=False)
class Continuations:
    """What rows say; all on the CPU, `[rows, steps]`.

    Attributes:
        tokens: int64. Behind a row's end stands padding.
        counted: bool, the steps that a row took, its end-of-text token included. A row also ends, without a token,
            where its edited activations have overflowed.
        loss: float32, nats of each token under the plain model that reads the same text.
        kl: float32, KL divergence in nats of the row's next-token distribution from the plain model's.
    """

    tokens: Tensor
    counted: Tensor
    loss: Tensor
    kl: Tensor

    def some(self, rows: Tensor) -> Continuations:
        """Some of the rows, by their numbers and in the order given."""
        return Continuations(self.tokens[rows], self.counted[rows], self.loss[rows], self.kl[rows])

    def texts(self, tokenizer: Any) -> list[str]:
        """The text of each row, without special tokens."""
        kept = [row[counts].tolist() for row, counts in zip(self.tokens, self.counted, strict=True)]
        texts: list[str] = tokenizer.batch_decode(kept, skip_special_tokens=True)
        return texts


@torch.no_grad()
def continued(
    lm: LanguageModel, site: str, prompts: Prompts, prompt_of: Tensor, edit: Edit, steps: int, *, batch: int = ROWS
) -> Continuations:
    """Continue prompts under edits, with the likeliest token at each step.

    Args:
        lm: the model.
        site: where it is edited.
        prompts: the texts that are continued.
        prompt_of: int64 `[rows]`, the prompt of each row.
        edit: what happens to the activations of a row.
        steps: tokens to add at most.
        batch: rows that go on together; it changes the result by rounding alone.

    Raises:
        UnknownName: for a wrong site.
    """
    read = _Read.of(lm, site, prompts)
    parts = []
    for numbers in torch.split(torch.arange(len(prompt_of)), batch):
        parts.append(_part(lm, site, read, prompt_of[numbers].to(lm.device), numbers.to(lm.device), edit, steps))
    return Continuations(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


@dataclass(frozen=True, eq=False)
class _Read:
    """Prompts as the plain model reads them: keys and values of all blocks, what enters the part above the site
    (`entry`, at `below`), the positions, and the logits behind the prompt."""

    prompts: Prompts
    positions: Tensor
    cache: Any
    below: str
    entry: Tensor
    logits: Tensor

    @classmethod
    def of(cls, lm: LanguageModel, site: str, prompts: Prompts) -> _Read:
        prompts = Prompts(prompts.tokens.to(lm.device), prompts.mask.to(lm.device))
        positions = (prompts.mask.long().cumsum(1) - 1).clamp(min=0)
        below = lm.entry_site(site) or site
        held: list[Tensor] = []

        def keep(acts: Tensor) -> Tensor:
            held.append(acts)
            return acts

        cache = _empty_cache(lm)
        with lm.spliced(below, keep):
            logits = _step(lm, prompts.tokens, prompts.mask, positions, cache)
        return cls(prompts, positions, cache, below, held[0], logits)

    def fork(self, lm: LanguageModel, prompt_of: Tensor, above: Any, first: int) -> Any:
        """Keys and values of rows and, behind them, their twins; `above` holds those of the rows from block `first`."""
        joint = copy(self.cache)
        joint.layers = [copy(layer) for layer in self.cache.layers]
        joint.batch_select_indices(prompt_of.repeat(2))
        for layer, own in zip(joint.layers[first:], above.layers[first:], strict=True):
            layer.keys[: len(prompt_of)] = own.keys
            layer.values[: len(prompt_of)] = own.values
        return joint


def _part(
    lm: LanguageModel, site: str, read: _Read, prompt_of: Tensor, numbers: Tensor, edit: Edit, steps: int
) -> tuple[Tensor, ...]:
    """Tokens, counted, loss and KL of some rows, each `[b, steps]`."""
    rows, pad, ends = len(numbers), padding_id(lm), torch.tensor(end_ids(lm), device=lm.device)
    mask, positions = read.prompts.mask[prompt_of], read.positions[prompt_of]
    text = (mask & (positions > 0))[..., None]

    def in_prompt(acts: Tensor) -> Tensor:
        return torch.where(text, edit(acts, numbers), acts)

    def beside_twins(acts: Tensor) -> Tensor:
        return torch.cat([edit(acts[:rows], numbers).to(acts.dtype), acts[rows:]])

    above = _empty_cache(lm)
    with lm.fed({read.below: read.entry[prompt_of]}), lm.spliced(site, in_prompt):
        edited = _step(lm, read.prompts.tokens[prompt_of], mask, positions, above)
    logits = torch.cat([edited, read.logits[prompt_of]])
    cache = read.fork(lm, prompt_of, above, lm.first_running(read.below))
    mask, position = mask.repeat(2, 1), positions[:, -1:].repeat(2, 1)
    tokens = torch.full((rows, steps), pad, device=lm.device)
    counted = torch.zeros((rows, steps), dtype=torch.bool, device=lm.device)
    loss, kl = torch.zeros((2, rows, steps), device=lm.device)
    alive = torch.ones(rows, dtype=torch.bool, device=lm.device)
    with lm.spliced(site, beside_twins):
        for step in range(steps):
            alive = alive & logits[:rows].isfinite().all(1)
            log_p, log_q = torch.split(logits.float().log_softmax(1), rows)
            token = torch.where(alive, log_p.argmax(1), pad)
            tokens[:, step], counted[:, step] = token, alive
            loss[:, step] = torch.where(alive, -log_q.gather(1, token[:, None])[:, 0], 0)
            kl[:, step] = torch.where(alive, kl_divergence(log_p, log_q), 0)
            alive = alive & ~torch.isin(token, ends)
            if step + 1 == steps or not alive.any():
                break
            position = position + 1
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
            logits = _step(lm, token[:, None].repeat(2, 1), mask, position, cache)
    return tuple(one.cpu() for one in (tokens, counted, loss, kl))


def _empty_cache(lm: LanguageModel) -> Any:
    from transformers import DynamicCache

    return DynamicCache(config=lm.hf.config)


def _step(lm: LanguageModel, tokens: Tensor, mask: Tensor, positions: Tensor, cache: Any) -> Tensor:
    """Read tokens `[b, t]` behind what `cache` holds, which grows. Returns the logits `[b, V]` behind the last one."""
    out = lm.hf(
        input_ids=tokens,
        attention_mask=mask.long(),
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return out.logits[:, -1]  # type: ignore[no-any-return]
