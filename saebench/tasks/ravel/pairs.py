"""Pairs of known prompts: what is swapped in from a source, and what the model should then say.

A pair asks both prompts for the same attribute, of entities whose answers differ, in the first token as well. In a
cause pair of attribute A both prompts ask for A, and the source's answer is wanted. In an isolation pair they ask for
another attribute, and the base's answer is wanted although the source entity is swapped in. So doing nothing is right
on every isolation pair and on no cause pair, whatever the model.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from saebench.data.facts import SIDES, Side
from saebench.tasks.ravel.prompts import Prompts


@dataclass(frozen=True)
class Pair:
    """Indices into the prompts, and the token that is wanted next."""

    base: int
    source: int
    cause: bool
    target: int


@dataclass(frozen=True)
class AttributePairs:
    """The pairs of one attribute: on each side equally many of both kinds, cause first.

    Attributes:
        excluded: why the attribute is not scored, or nothing.
    """

    attribute: str
    train: tuple[Pair, ...]
    test: tuple[Pair, ...]
    test_entities: int
    """Base entities of the test pairs: the independent ones behind the score."""
    excluded: str = ""


def pairs_of(
    prompts: Prompts, known: Sequence[bool], attribute: str, *, train: int, test: int, least: int, seed: int
) -> AttributePairs:
    """The pairs of one attribute.

    Args:
        prompts: of the set.
        known: which of them the model knows.
        attribute: whose mask the pairs train and test.
        train, test: at most so many pairs of each kind.
        least: with fewer of a kind on a side the attribute is not scored.
        seed: of the draw.
    """
    sides: dict[Side, tuple[Pair, ...]] = {}
    for side, most in zip(SIDES, (train, test), strict=True):
        cause = draw(prompts, known, side, [attribute], True, most, seed, attribute)
        others = [one for one in prompts.facts.attributes if one != attribute]
        isolation = draw(prompts, known, side, others, False, most, seed, attribute)
        count = min(len(cause), len(isolation))
        if count < least:
            kind = "cause" if len(cause) <= len(isolation) else "isolation"
            reason = f"{count} {kind} pairs of known prompts on the {side} side, {least} are needed"
            return AttributePairs(attribute, (), (), 0, reason)
        sides[side] = (*cause[:count], *isolation[:count])
    entities = {prompts.listed[pair.base].entity for pair in sides["test"]}
    return AttributePairs(attribute, sides["train"], sides["test"], len(entities))


def draw(
    prompts: Prompts,
    known: Sequence[bool],
    side: Side,
    asked: Sequence[str],
    cause: bool,
    most: int,
    seed: int,
    attribute: str,
) -> list[Pair]:
    """At most `most` pairs over known prompts that ask for one of `asked`.

    Bases are taken in turns: first one prompt of each entity and attribute, then a second, and so on, in an order that
    a hash gives; when all were taken, again with other sources. A larger budget so only adds pairs.
    """
    pools: dict[str, list[int]] = defaultdict(list)
    for index, prompt in enumerate(prompts.listed):
        if known[index] and prompt.side == side and prompt.attribute in asked:
            pools[prompt.attribute].append(index)
    salt = f"{seed}:{attribute}:{cause}"
    streams = [
        _with_sources(prompts, base, pools[prompts.listed[base].attribute], cause, salt)
        for base in _in_turns(prompts, [index for pool in pools.values() for index in pool], salt)
    ]
    pairs: list[Pair] = []
    while streams and len(pairs) < most:
        going = []
        for stream in streams:
            pair = next(stream, None)
            if pair is not None:
                pairs.append(pair)
                going.append(stream)
        streams = going
    return pairs[:most]


def _in_turns(prompts: Prompts, bases: list[int], salt: str) -> list[int]:
    """Bases in hash order, one of each entity and attribute before a second one of any."""
    seen: dict[tuple[str, str], int] = defaultdict(int)
    turns = []
    for key, base in sorted((_hash(f"{salt}:{prompts.listed[base].text}"), base) for base in bases):
        owner = (prompts.listed[base].entity, prompts.listed[base].attribute)
        turns.append((seen[owner], key, base))
        seen[owner] += 1
    return [base for _, _, base in sorted(turns)]


def _with_sources(prompts: Prompts, base: int, pool: list[int], cause: bool, salt: str) -> Iterator[Pair]:
    """Pairs of one base, with the sources that its answer can be told from in the first token."""
    about = prompts.listed[base]
    seed = int.from_bytes(_hash(f"{salt}:sources:{about.text}")[:8], "big")
    for place in np.random.default_rng(seed).permutation(len(pool)):
        source = prompts.listed[pool[place]]
        swapped = prompts.first(about, source.value)
        if source.value != about.value and swapped is not None and swapped != about.answer[0]:
            yield Pair(base, pool[place], cause, swapped if cause else about.answer[0])


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
