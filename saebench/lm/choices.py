"""How likely contexts go on in given ways, when a site has given activations.

Each context is read once, however many continuations it has: they share its keys and values. Only the blocks above the
site run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from saebench.lm.model import LanguageModel


@dataclass(frozen=True, eq=False)
class AtSite:
    """Rows of tokens with their activations at a site.

    Attributes:
        tokens: int64 `[b, T]`.
        there: bool `[b, T]`, False at padding.
        x: activations of the site, `[b, T, width]`.
        entry: activations of `LanguageModel.entry_site`, `[b, T, d_model]`, where the site needs them, else None.
    """

    tokens: Tensor
    there: Tensor
    x: Tensor
    entry: Tensor | None = None

    def fed(self, lm: LanguageModel, site: str) -> dict[str, Tensor]:
        """By site, what a pass from here is fed."""
        needed = lm.entry_site(site)
        return {site: self.x} if needed is None or self.entry is None else {site: self.x, needed: self.entry}

    def some(self, rows: Tensor) -> AtSite:
        """Some of the rows."""
        entry = None if self.entry is None else self.entry[rows]
        return AtSite(self.tokens[rows], self.there[rows], self.x[rows], entry)


@torch.no_grad()
def likelihoods(lm: LanguageModel, site: str, contexts: AtSite, goings_on: AtSite, context_of: Tensor) -> Tensor:
    """Log-likelihood in nats of each continuation behind its context, float64 `[r]`.

    Args:
        lm: the model.
        site: where the activations belong.
        contexts: `b` contexts, padded on the left.
        goings_on: `r` continuations of a token or more, padded on the right. Nothing is read of a continuation's last
            token but its id.
        context_of: int64 `[r]`, the context of each continuation.

    Raises:
        UnknownName: for a wrong site.
    """
    from transformers import DynamicCache

    positions = (contexts.there.long().cumsum(1) - 1).clamp(min=0)
    cache = DynamicCache(config=lm.hf.config)
    with lm.fed(contexts.fed(lm, site)):
        behind = _pass(lm, contexts.tokens, contexts.there, positions, cache, keep=1)
    targets, count = goings_on.tokens, goings_on.there
    total = _log_p(behind[context_of], targets[:, :1])[:, 0].double()
    if targets.shape[1] == 1:
        return total
    _lengthen(cache, lm.first_running(lm.entry_site(site) or site), contexts.tokens)
    cache.batch_select_indices(context_of)
    read = AtSite(
        targets[:, :-1],
        count[:, 1:],
        goings_on.x[:, :-1],
        None if goings_on.entry is None else goings_on.entry[:, :-1],
    )
    there = torch.cat([contexts.there[context_of], read.there], dim=1)
    length = contexts.there.sum(1)[context_of]
    positions = length[:, None] + torch.arange(read.tokens.shape[1], device=length.device)
    with lm.fed(read.fed(lm, site)):
        logits = _pass(lm, read.tokens, there, positions, cache, keep=0)
    later = _log_p(logits, targets[:, 1:])
    return total + torch.where(read.there, later, 0.0).sum(1, dtype=torch.float64)


def _lengthen(cache: Any, first: int, tokens: Tensor) -> None:
    """Give the blocks below `first`, which do not run, empty keys for `tokens` `[b, T]`.

    How long a text is, transformers reads off the first blocks."""
    rows, length = tokens.shape
    empty = torch.zeros(rows, 1, length, 1, device=tokens.device)
    for layer in cache.layers[:first]:
        layer.update(empty, empty)


def _pass(lm: LanguageModel, tokens: Tensor, there: Tensor, positions: Tensor, cache: Any, *, keep: int) -> Tensor:
    """Logits `[b, t, V]` of the last `keep` positions, or of all where that is 0; `cache` grows."""
    return lm.hf(  # type: ignore[no-any-return]
        input_ids=tokens,
        attention_mask=there.long(),
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=keep,
    ).logits


def _log_p(logits: Tensor, tokens: Tensor) -> Tensor:
    """Log-probabilities of tokens `[b, t]` under logits `[b, t, V]`, float32."""
    logits = logits.float()
    return logits.gather(2, tokens[..., None])[..., 0] - logits.logsumexp(2)
