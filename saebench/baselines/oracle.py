"""The oracle of a synthetic world: its true directions, and the true magnitudes of any of its samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from saebench.baselines.controls import UNDRAWN
from saebench.dictionaries.codes import Codes, from_pairs
from saebench.dictionaries.contract import Context, Traits
from saebench.dictionaries.fixed import FixedDictionary
from saebench.errors import SubjectFailed
from saebench.lm.synthetic.presets import Preset
from saebench.lm.synthetic.world import BLOCK, World, shared_world

Array = np.ndarray[Any, Any]

BLOCKS_AT_ONCE = 256
"""Blocks of samples that are looked through between two looks at what is still unknown."""


class SampleTable:
    """Which sample an activation is, found by its bytes.

    The table grows as it is asked: first the samples that the caller expects, then as many samples behind the world's
    corpus as the corpus has (labelled texts stand there), then the corpus, block by block, until all are found.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._keys = np.empty(0, dtype=np.uint64)
        self._numbers = np.empty(0, dtype=np.int64)
        self._seen: set[int] = set()
        self._expected: list[int] = []
        self._last = 2 * world.preset.documents
        words = np.random.Generator(np.random.Philox(key=1)).integers(0, 2**63, world.width, dtype=np.uint64)
        self._weights = 2 * words + 1

    def expect(self, numbers: Array) -> None:
        """Look among the blocks of these samples first."""
        self._expected = np.unique(numbers // BLOCK).tolist()

    def find(self, x: Array) -> Array:
        """Sample number of each row of `x` `[n, d]` float32, int64.

        Raises:
            SubjectFailed: a row is no sample of the world.
        """
        keys = self._key(x)
        numbers = self._look(keys)
        for blocks in self._batches():
            if (numbers >= 0).all():
                break
            self._add(blocks)
            numbers = self._look(keys)
        known = numbers >= 0
        same = np.zeros(len(x), dtype=bool)
        same[known] = (self.world.activations(numbers[known]).view(np.uint32) == x[known].view(np.uint32)).all(1)
        if not same.all():
            raise SubjectFailed(
                f"{int((~same).sum())} of {len(x)} activations are no sample of {self.world.preset.reference} below "
                f"{self._last * BLOCK:,}: the oracle reads untouched activations of its own world alone"
            )
        return numbers

    def _look(self, keys: Array) -> Array:
        if not len(self._keys):
            return np.full(len(keys), -1)
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[place] == keys, self._numbers[place], -1)

    def _batches(self) -> Iterator[list[int]]:
        """Blocks that are not in the table, a few at a time: those expected, those behind the corpus, the corpus."""
        corpus = self.world.preset.documents
        order = [*range(corpus, self._last), *range(corpus)]
        for blocks in (
            self._expected,
            *(order[at : at + BLOCKS_AT_ONCE] for at in range(0, self._last, BLOCKS_AT_ONCE)),
        ):
            if new := [block for block in blocks if block not in self._seen]:
                yield new

    def _add(self, blocks: list[int]) -> None:
        numbers = (np.array(blocks)[:, None] * BLOCK + np.arange(BLOCK)).ravel()
        keys = np.concatenate([self._keys, self._key(self.world.activations(numbers))])
        order = np.argsort(keys, kind="stable")
        self._keys, self._numbers = keys[order], np.concatenate([self._numbers, numbers])[order]
        self._seen.update(blocks)

    def _key(self, x: Array) -> Array:
        """A 64-bit hash of each row's bytes (multilinear, modulo 2^64)."""
        words = np.ascontiguousarray(x).view(np.uint32).astype(np.uint64)
        mixed: Array = (words * self._weights).sum(1, dtype=np.uint64)
        return mixed


@dataclass(eq=False)
class Oracle(FixedDictionary):
    """The features of a world as latents: true directions as atoms, true magnitudes as codes.

    `encode` knows a sample by the bytes of its float32 activation; nothing else has codes.

    Args:
        preset: the settings of the world, JSON values.
        directions: the atoms `[F, d]`; the world's where absent.
        bias: `[d]`; the world's where absent.
    """

    kind: ClassVar[str] = "oracle"
    preset: dict[str, Any]
    directions: Tensor = UNDRAWN
    bias: Tensor = UNDRAWN

    def __post_init__(self) -> None:
        self.table = SampleTable(shared_world(Preset.model_validate(self.preset)))
        if self.directions is UNDRAWN:
            self.directions = torch.from_numpy(self.table.world.directions)
            self.bias = torch.from_numpy(self.table.world.bias)
        self.describe(self.directions.shape[1], self.directions.shape[0])
        self.traits = Traits(scale_sensitive=True)

    @classmethod
    def of(cls, world: World) -> Self:
        """The oracle of a world."""
        return cls(world.preset.model_dump(mode="json"))

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Self:
        moved = super().to(device, dtype)
        moved.table = self.table
        return moved

    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        """The true magnitudes of samples `[n, d]`.

        Raises:
            SubjectFailed: `x` is not float32, or not made of samples of the world.
        """
        if x.dtype != torch.float32:
            raise SubjectFailed(f"the oracle knows samples by their float32 bytes, and was given {x.dtype}")
        numbers = self.table.find(x.detach().cpu().numpy())
        true = self.table.world.samples(numbers).tocoo()
        order = np.lexsort((true.col, true.row))
        tokens, latents = (torch.from_numpy(one[order].astype(np.int64)).to(x.device) for one in (true.row, true.col))
        return from_pairs(torch.from_numpy(true.data[order]).to(x), tokens, latents, len(x), self.d_dict)

    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        return codes.project(self.directions) + self.bias

    @property
    def atoms(self) -> Tensor:
        return self.directions
