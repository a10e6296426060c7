"""How likely contexts go on in given ways, from the text up or from given activations at a site.

Each context is read once, however many continuations it has: they share its keys and values. From a site upwards only
the blocks above it run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from saebench.lm.model import LanguageModel


@dataclass(frozen=True, eq=False)
class Choices:
    """Contexts and what may follow them.

    Attributes:
        contexts: int64 `[b, T]`, padded on the left.
        there: bool `[b, T]`, False at padding.
        goings_on: int64 `[r, K]`, one token or more each, padded on the right.
        asked: bool `[r, K]`, False at padding.
        context_of: int64 `[r]`, the context of each continuation.
    """

    contexts: Tensor
    there: Tensor
    goings_on: Tensor
    asked: Tensor
    context_of: Tensor

    def some(self, contexts: Tensor, rows: Tensor) -> Choices:
        """Some of the contexts and continuations, by number; each continuation's context is among them."""
        place = torch.zeros(len(self.contexts), dtype=torch.long, device=contexts.device)
        place[contexts] = torch.arange(len(contexts), device=contexts.device)
        return Choices(
            self.contexts[contexts],
            self.there[contexts],
            self.goings_on[rows],
            self.asked[rows],
            place[self.context_of[rows]],
        )


@dataclass(frozen=True, eq=False)
class AtSites:
    """Activations by site: of contexts `[b, T, width]`, and of continuations but for their last token, which is never
    read, `[r, K - 1, width]`."""

    contexts: dict[str, Tensor]
    goings_on: dict[str, Tensor]


@torch.no_grad()
def read(lm: LanguageModel, choices: Choices, sites: Sequence[str]) -> tuple[Tensor, AtSites]:
    """Log-likelihood in nats of each continuation behind its context, float64 `[r]`; and activations on the way.

    Raises:
        UnknownName: for a wrong site.
    """
    first: dict[str, Tensor] = {}
    second = {site: torch.zeros(len(choices.goings_on), 0, lm.site(site).width, device=lm.device) for site in sites}
    likely = _passes(lm, choices, _kept(lm, first, sites), _kept(lm, second, sites), 0)
    return likely, AtSites(first, second)


@torch.no_grad()
def resumed(lm: LanguageModel, choices: Choices, site: str, at: AtSites) -> Tensor:
    """The same likelihoods when the site has given activations; those of its entry site are in `at` where it has one.

    Raises:
        UnknownName: for a wrong site.
    """
    first = lm.first_running(lm.entry_site(site) or site)
    return _passes(lm, choices, lm.fed(at.contexts), lm.fed(at.goings_on), first)


def _passes(
    lm: LanguageModel,
    choices: Choices,
    around_contexts: AbstractContextManager[None],
    around_goings_on: AbstractContextManager[None],
    first_running: int,
) -> Tensor:
    """One pass over the contexts and one over the continuations, each inside a context manager."""
    from transformers import DynamicCache

    of, there, targets = choices.context_of, choices.there, choices.goings_on
    cache = DynamicCache(config=lm.hf.config)
    with around_contexts:
        behind = _logits(lm, choices.contexts, there, (there.long().cumsum(1) - 1).clamp(min=0), cache, keep=1)
    total = _log_p(behind[of], targets[:, :1])[:, 0].double()
    if targets.shape[1] == 1:
        return total
    _lengthen(cache, first_running, choices.contexts)
    cache.batch_select_indices(of)
    positions = there.sum(1)[of][:, None] + torch.arange(targets.shape[1] - 1, device=of.device)
    whole = torch.cat([there[of], choices.asked[:, 1:]], dim=1)
    with around_goings_on:
        logits = _logits(lm, targets[:, :-1], whole, positions, cache, keep=0)
    later = torch.where(choices.asked[:, 1:], _log_p(logits, targets[:, 1:]), 0.0)
    return total + later.sum(1, dtype=torch.float64)


@contextmanager
def _kept(lm: LanguageModel, into: dict[str, Tensor], sites: Sequence[str]) -> Iterator[None]:
    """Inside, the activations of sites are written down."""
    with ExitStack() as stack:
        for site in sites:

            def keep(acts: Tensor, site: str = site) -> Tensor:
                into[site] = acts
                return acts

            stack.enter_context(lm.spliced(site, keep))
        yield


def _lengthen(cache: Any, first: int, tokens: Tensor) -> None:
    """Give the blocks below `first`, which do not run, empty keys for `tokens` `[b, T]`.

    How long a text is, transformers reads off the first blocks."""
    rows, length = tokens.shape
    empty = torch.zeros(rows, 1, length, 1, device=tokens.device)
    for layer in cache.layers[:first]:
        layer.update(empty, empty)


def _logits(lm: LanguageModel, tokens: Tensor, there: Tensor, positions: Tensor, cache: Any, *, keep: int) -> Tensor:
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
