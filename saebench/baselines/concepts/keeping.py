"""Fitted concepts as named arrays and as files: equal scores when they are read back.

What is kept of a latent is its number: reading it back needs the dictionary.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch

from saebench.baselines.concepts.bow import WordReader
from saebench.baselines.concepts.direction import ConceptDirection, Magnitude, Projection, Reader
from saebench.baselines.concepts.latents import LatentReader
from saebench.data.bag_of_words import BagOfWords
from saebench.dictionaries.contract import Dictionary
from saebench.errors import DataError, UsageError
from saebench.results.atomic import write_bytes

Arrays = dict[str, np.ndarray[Any, Any]]


def to_arrays(found: ConceptDirection) -> Arrays:
    """A fitted concept as named arrays of numbers and text; `from_arrays` is the inverse.

    Raises:
        TypeError: its reader is none of this package's.
    """
    facts: dict[str, Any] = {
        "sign": found.sign,
        "magnitude": asdict(found.magnitude) if found.magnitude else None,
        "lacking": found.lacking,
        "notes": dict(found.notes),
    }
    arrays: Arrays = {} if found.direction is None else {"direction": found.direction.numpy()}
    match found.reader:
        case Projection(rectified=rectified):
            facts["reader"] = {"rectified": rectified}
        case LatentReader(latent=latent, sign=sign):
            facts["reader"] = {"latent": latent, "sign": sign}
        case WordReader(words=words):
            facts["reader"] = {"vocabulary": list(words.vocabulary), "offset": words.offset}
            arrays["weights"] = words.weights
        case other:
            raise TypeError(f"{type(other).__name__} cannot be kept")
    return {"facts": np.array(json.dumps(facts)), **arrays}


def from_arrays(arrays: Mapping[str, np.ndarray[Any, Any]], dictionary: Dictionary | None = None) -> ConceptDirection:
    """The concept that `to_arrays` wrote.

    Args:
        arrays: what it wrote.
        dictionary: the one that a latent belongs to.

    Raises:
        UsageError: a latent without its dictionary.
    """
    facts = json.loads(str(arrays["facts"]))
    direction = torch.from_numpy(np.array(arrays["direction"])) if "direction" in arrays else None
    magnitude = Magnitude(**facts["magnitude"]) if facts["magnitude"] else None
    reader = _reader(facts["reader"], arrays, direction, dictionary)
    return ConceptDirection(direction, facts["sign"], reader, magnitude, facts["lacking"], facts["notes"])


def _reader(
    kept: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray[Any, Any]],
    direction: torch.Tensor | None,
    dictionary: Dictionary | None,
) -> Reader:
    if "vocabulary" in kept:
        return WordReader(BagOfWords(tuple(kept["vocabulary"]), np.array(arrays["weights"]), kept["offset"]))
    if "latent" in kept:
        if dictionary is None:
            raise UsageError("a kept latent scores nothing without its dictionary")
        return LatentReader(dictionary, kept["latent"], kept["sign"])
    assert direction is not None
    return Projection(direction, kept["rectified"])


def save_concept(found: ConceptDirection, path: Path) -> None:
    """Write a fitted concept to one .npz file, in one atomic step.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **to_arrays(found))
    write_bytes(path, buffer.getvalue())


def load_concept(path: Path, dictionary: Dictionary | None = None) -> ConceptDirection:
    """The concept of a file that `save_concept` wrote.

    Raises:
        DataError: the file is missing or no such file.
        UsageError: a latent without its dictionary.
    """
    try:
        with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        return from_arrays(arrays, dictionary)
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise DataError("is not a kept concept", file=path, remedy="write it with save_concept") from error
