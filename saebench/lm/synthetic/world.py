"""A world: sample numbers in, features and activations out, the same bits whoever asks, when and in what order.

Samples are made in blocks of 64, each from a stream of random numbers of its own (Philox, keyed by the world, with
the block's number as counter). An activation is summed feature by feature in float64 and rounded once, so that
neither threads nor batch sizes move a bit.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from scipy import sparse

from saebench.fingerprint import array_digest, digest
from saebench.lm.synthetic.directions import directions, unit
from saebench.lm.synthetic.firing import Firing, firing_of
from saebench.lm.synthetic.kept import kept
from saebench.lm.synthetic.presets import DOCUMENT, Preset, preset

Array = np.ndarray[Any, Any]

VERSION = 2
"""Raise it when equal presets give other samples."""
BLOCK = DOCUMENT
HELD_BYTES = 2**26
"""Activations of blocks that stay in memory."""


class World:
    """The samples of a preset. Every number from 0 up is a sample.

    Args:
        settings: what the world is.

    Raises:
        ConfigError: the hierarchy needs more features than there are.
    """

    def __init__(self, settings: Preset) -> None:
        self.preset = settings
        self.fingerprint = fingerprint(settings)
        self._blocks: OrderedDict[int, tuple[sparse.csr_array, Array]] = OrderedDict()
        self.firing: Firing = firing_of(settings, self.stream("firing"))

    @classmethod
    def named(cls, name: str) -> World:
        """The world of "synthetic:NAME[?seed=1]".

        Raises:
            UnknownName, UsageError: there is none.
        """
        return cls(preset(name))

    @property
    def features(self) -> int:
        """Number of features."""
        return self.preset.features

    @property
    def width(self) -> int:
        """Dimensions of an activation."""
        return self.preset.width

    def stream(self, purpose: str, place: int = 0) -> np.random.Generator:
        """Random numbers that depend on world, purpose and place alone."""
        key = int(digest([self.fingerprint, purpose]), 16)
        return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, place]))

    @cached_property
    def directions(self) -> Array:
        """True directions, unit rows `[F, d]` float32; made once and kept on disk."""
        shape, steps = (self.features, self.width), self.preset.orthogonal_steps

        def make() -> dict[str, Array]:
            return {"directions": directions(*shape, steps, self.stream("directions"))}

        return kept(digest([self.fingerprint, "directions"]), make)["directions"]

    @cached_property
    def bias(self) -> Array:
        """What every activation has, `[d]` float32."""
        row = unit(self.stream("bias").standard_normal((1, self.width)))[0]
        scaled: Array = (self.preset.bias * row).astype(np.float32)
        return scaled

    def samples(self, numbers: Array) -> sparse.csr_array:
        """Magnitudes of the features of samples, `[n, F]` float64, in the order of `numbers`.

        Args:
            numbers: int64 `[n]`, not negative; they may repeat.
        """
        if not len(numbers):
            return sparse.csr_array((0, self.features))
        return sparse.csr_array(sparse.vstack([*self._parts(numbers, 0)], format="csr"))[self._order(numbers)]

    def activations(self, numbers: Array) -> Array:
        """Activations of samples, `[n, d]` float32, in the order of `numbers`."""
        out = np.empty((len(numbers), self.width), dtype=np.float32)
        blocks = numbers // BLOCK
        for block in np.unique(blocks):
            here = blocks == block
            out[here] = self._block(int(block))[1][numbers[here] % BLOCK]
        return out

    def _parts(self, numbers: Array, part: int) -> list[Any]:
        return [self._block(int(block))[part] for block in np.unique(numbers // BLOCK)]

    def _order(self, numbers: Array) -> Array:
        """Row of each sample among the blocks that hold one of them, laid end to end."""
        _, place = np.unique(numbers // BLOCK, return_inverse=True)
        order: Array = place * BLOCK + numbers % BLOCK
        return order

    def _block(self, number: int) -> tuple[sparse.csr_array, Array]:
        """Magnitudes `[64, F]` and activations `[64, d]` of one block."""
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        magnitudes = self.firing.draw(self.stream("samples", number), BLOCK)
        made = magnitudes, (magnitudes @ self._wide + self.bias).astype(np.float32)
        self._blocks[number] = made
        if len(self._blocks) > self.held:
            self._blocks.popitem(last=False)
        return made

    @property
    def held(self) -> int:
        """Blocks that stay in memory."""
        return max(1, HELD_BYTES // (BLOCK * self.width * 4))

    @cached_property
    def _wide(self) -> Array:
        return self.directions.astype(np.float64)


@lru_cache(maxsize=4)
def shared_world(settings: Preset) -> World:
    """The one world of these settings in this process: a model and an oracle of it share what is large."""
    return World(settings)


def fingerprint(settings: Preset) -> str:
    """32 hex digits over what decides the samples.

    numpy may change what its generators draw from one version to the next: the first numbers of a stream go in.
    """
    first = np.random.Generator(np.random.Philox(key=1, counter=[0, 0, 0, 1]))
    drawn: dict[str, Array] = {
        "wide": first.standard_normal(64),
        "narrow": first.standard_normal(64, dtype=np.float32),
        "uniform": first.random(64),
    }
    return digest({"preset": settings.content(), "generator": VERSION, "stream": array_digest(drawn)})
