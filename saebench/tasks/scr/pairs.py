"""Data of `scr@1`: texts with two labels each, in the four combinations, and the probes' training texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saebench.data.crossed import Cell, Crossed, crossed
from saebench.data.packing import PackedRows
from saebench.data.parts import PARTS, Parts, in_parts
from saebench.data.text_rows import rows_of_texts
from saebench.fingerprint import digest

if TYPE_CHECKING:
    from saebench.lm.model import LanguageModel

Array = np.ndarray[Any, Any]

CELLS: tuple[Cell, ...] = ((0, 0), (0, 1), (1, 0), (1, 1))
AGREE: tuple[Cell, ...] = ((0, 0), (1, 1))


@dataclass(frozen=True)
class Pair:
    """Two labels on the texts of a shelf.

    Attributes:
        name: of the data set.
        attributes: names of both labels.
        values: values that count as 0 and 1, of each.
        texts: rows of the shelf by part ("train", "validation", "test"), the four cells equally often.
        labels: bool `[n, 2]` for each part.
        biased: rows of the shelf on which both labels agree, for the biased probe.
        biased_y: their label, bool.
        cells: texts in each cell before anything was chosen.
        census: what cleaning did.
        fingerprint: 32 hex digits over texts, labels and parts.
    """

    name: str
    attributes: tuple[str, str]
    values: tuple[tuple[str, str], tuple[str, str]]
    texts: Mapping[str, Array]
    labels: Mapping[str, Array]
    biased: Array
    biased_y: Array
    cells: Mapping[str, int]
    census: Mapping[str, int]
    fingerprint: str


@dataclass(frozen=True)
class Shelf:
    """The pairs that are cut from one source, on one list of texts: a text that serves several is read once.

    Attributes:
        family: the source.
        pairs: see `Pair`.
        hashes: content hash of each text.
        seen: all hashes by which a dictionary's training documents may know each text.
        rows: the texts as a model reads them.
    """

    family: str
    pairs: tuple[Pair, ...]
    hashes: tuple[str, ...]
    seen: tuple[tuple[str, ...], ...]
    rows: PackedRows


def shelves(
    names: Sequence[str], lm: LanguageModel, *, most: Mapping[str, int], context: int, seed: int
) -> list[Shelf]:
    """The pairs called `names`, by source.

    Args:
        names: sets of twice labelled texts.
        lm: whose tokenizer reads the texts.
        most: at most so many texts of a cell, by part.
        context: tokens that are kept of a text, with the begin-of-text token.
        seed: the evaluation seed.

    Raises:
        UnknownName, ConfigError, DataError, AssetError: see `crossed`; DataError too where a part lacks a cell.
    """
    families: dict[str, list[Crossed]] = {}
    for name in names:
        data = crossed(name)
        families.setdefault(data.family, []).append(data)
    return [_shelf(family, members, lm, most, context, seed) for family, members in families.items()]


def _shelf(
    family: str, members: Sequence[Crossed], lm: LanguageModel, most: Mapping[str, int], context: int, seed: int
) -> Shelf:
    place: dict[str, int] = {}
    texts: list[str] = []
    seen: list[tuple[str, ...]] = []
    pairs = []
    for data in members:
        parts = in_parts(data.examples, [one.cell for one in data.examples], seed=seed, most=most, name=data.name)
        biased = _biased(parts)
        chosen = [*(parts.equal[part][cell] for part in PARTS for cell in CELLS), *biased.values()]
        for row in np.concatenate(chosen):
            one = data.examples[row]
            if one.hash not in place:
                place[one.hash] = len(texts)
                texts.append(one.text)
                seen.append(one.hashes)
        pairs.append(_pair(data, parts, biased, place))
    hashes = tuple(place)
    rows = rows_of_texts(
        texts,
        lm.tokenizer,
        tokenizer_hash=lm.tokenizer_hash,
        context=context,
        ids=hashes,
        name=family,
        licence=members[0].licence,
    )
    return Shelf(family, tuple(pairs), hashes, tuple(seen), rows)


def _biased(parts: Parts[Cell]) -> dict[Cell, Array]:
    """Training texts on which both labels agree: as many as the other probes train on, where there are so many."""
    train = parts.held["train"]
    size = min(2 * parts.size("train"), *(len(train[cell]) for cell in AGREE))
    return {cell: train[cell][:size] for cell in AGREE}


def _pair(data: Crossed, parts: Parts[Cell], biased: Mapping[Cell, Array], place: Mapping[str, int]) -> Pair:
    def rows(indices: Array) -> Array:
        return np.array([place[data.examples[row].hash] for row in indices], np.int64)

    texts = {part: rows(np.concatenate([parts.equal[part][cell] for cell in CELLS])) for part in PARTS}
    labels = {part: np.repeat(np.array(CELLS, bool), parts.size(part), axis=0) for part in PARTS}
    trained = rows(np.concatenate([biased[cell] for cell in AGREE]))
    biased_y = np.repeat(np.array([cell[0] for cell in AGREE], bool), len(biased[AGREE[0]]))
    cells = {f"{data.values[0][a]} and {data.values[1][b]}": n for (a, b), n in data.cells().items()}
    by_place = list(place)
    decided = {part: [by_place[row] for row in texts[part]] for part in PARTS}
    fingerprint = digest({"texts": decided, "biased": [by_place[row] for row in trained], "version": 1})
    return Pair(
        data.name,
        data.attributes,
        data.values,
        texts,
        labels,
        trained,
        biased_y,
        cells,
        data.census.to_json(),
        fingerprint,
    )
