"""A synthetic world as a language model: activations at its one site, and nothing above it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

from saebench.errors import UnknownName, UsageError
from saebench.fingerprint import digest
from saebench.lm.model import LanguageModel, Splice
from saebench.lm.sites import Kind, Site
from saebench.lm.synthetic.tokenizer import SampleTokenizer, sample_numbers, sample_tokenizer_hash
from saebench.lm.synthetic.world import World
from saebench.registry import near_misses

SITE = "features"
"""The one site of every world."""


class SyntheticModel(LanguageModel):
    """A world by the contract of a language model: tokens are samples, `capture` gives their activations.

    There is no next token: what would need one raises `UsageError`.

    Args:
        world: what it shows.
        device: where activations go.
        dtype: their dtype; they are made in float32.
    """

    def __init__(self, world: World, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        self.world = world
        self.name = world.preset.reference
        self.family = "synthetic"
        self.tokenizer = SampleTokenizer()
        self.n_layers = 1
        self.d_model = world.width
        self.weights_hash = world.fingerprint
        self._device, self._dtype = torch.device(device), dtype
        self._sites = {SITE: Site(SITE, 0, Kind.RESID_POST, world.width)}

    @property
    def device(self) -> torch.device:
        return self._device

    @property
    def dtype(self) -> torch.dtype:
        return self._dtype

    @cached_property
    def fingerprint(self) -> str:
        return digest(["synthetic", self.weights_hash])

    @cached_property
    def tokenizer_hash(self) -> str:
        return sample_tokenizer_hash()

    def site(self, name: str) -> Site:
        if name not in self._sites:
            raise UnknownName("site", name, near_misses(name, self._sites), [SITE])
        return self._sites[name]

    def capture(self, tokens: Tensor, sites: Sequence[str]) -> dict[str, Tensor]:
        """Activations `[b, T, d]` of samples; an id that is no sample has the world's constant part alone.

        Raises:
            UnknownName: for a wrong site.
        """
        wanted = [self.site(name).name for name in sites]
        numbers = sample_numbers(tokens.cpu().numpy())
        real = numbers >= 0
        values = np.broadcast_to(self.world.bias, (*numbers.shape, self.world.width)).copy()
        values[real] = self.world.activations(numbers[real])
        return dict.fromkeys(wanted, torch.from_numpy(values).to(self.device, self.dtype))

    @contextmanager
    def spliced(self, site: str, fn: Splice) -> Iterator[None]:
        self._refuse()
        yield

    def logits(self, tokens: Tensor, positions: Tensor | None = None) -> Tensor:
        self._refuse()

    def resume(
        self, site: str, acts: Tensor, tokens: Tensor, entry: Tensor | None = None, positions: Tensor | None = None
    ) -> Tensor:
        self._refuse()

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
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UsageError(
            f"'{self.name}' is a synthetic world and has no next token: run a task that reads activations alone "
            "(ground_truth@1, or sparse_probing@1, tpp@1 and scr@1 on labelled samples)"
        )
