"""Tokens that a baseline is fitted on when it need not see all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from saebench.errors import DataError

if TYPE_CHECKING:
    from saebench.activations.sets import ActivationSet
    from saebench.baselines.recipe import Ground

Array = np.ndarray[Any, Any]


def sample(ground: Ground, tokens: int, seed: int, *, at_least: int = 1) -> Tensor:
    """`tokens` unmasked tokens (all where there are fewer) `[n, d]` float32, drawn without replacement, in order.

    Raises:
        DataError: there are fewer than `at_least`, or an activation is NaN or infinite.
    """
    places = chosen(ground.data, tokens, seed)
    if len(places) < at_least:
        raise DataError(
            f"{len(places):,} tokens cannot fit {at_least:,} atoms",
            field=ground.data.rows.name,
            remedy="use more text, a larger `tokens` or a smaller `d_dict`",
        )
    return taken(ground, places)


def chosen(data: ActivationSet, tokens: int, seed: int) -> Array:
    """Places of `tokens` unmasked tokens (all where there are fewer), ascending."""
    places = unmasked(data)
    order = np.random.Generator(np.random.PCG64([seed])).permutation(len(places))[:tokens]
    return places[np.sort(order)]


def taken(ground: Ground, places: Array) -> Tensor:
    """Activations at places `[n, d]` float32 on the ground's device.

    Raises:
        DataError: one is NaN or infinite.
    """
    x = ground.data.take(places).to(ground.device, torch.float32)
    bad = int((~x.isfinite()).any(1).sum())
    if bad:
        raise DataError(
            f"{bad:,} of {len(x):,} activations are NaN or infinite at {ground.data.site}",
            field=ground.data.rows.name,
            remedy="run the model in float32",
        )
    return x


def stream(ground: Ground, tokens: int | None, at_once: int) -> Iterator[tuple[Tensor, Array]]:
    """The first `tokens` unmasked tokens (None: all) in the order of the data: `[n, d]` float32, and their places.

    Raises:
        DataError: an activation is NaN or infinite.
    """
    places = unmasked(ground.data)[:tokens]
    for at in range(0, len(places), at_once):
        part = places[at : at + at_once]
        yield taken(ground, part), part


def unmasked(data: ActivationSet) -> Array:
    """Places of the unmasked tokens, ascending; `row * context + place in the row`.

    Raises:
        DataError: there is none.
    """
    places = np.flatnonzero(data.mask)
    if not len(places):
        raise DataError("no unmasked token", field=data.rows.name, remedy="use more text")
    return places


def labels(data: ActivationSet, places: Array) -> list[tuple[str, int]]:
    """(content hash of the document, place of the token in it) of tokens at `places`.

    The place counts the document's own tokens from 0, masked ones too, so that it does not depend on how documents
    are packed into rows.
    """
    documents = data.documents.ravel()
    owned = np.flatnonzero(documents >= 0)
    order = owned[np.argsort(documents[owned], kind="stable")]
    first = np.flatnonzero(np.diff(documents[order], prepend=-1))
    lengths = np.diff(np.append(first, len(order)))
    counted = np.full(documents.shape, -1)
    counted[order] = np.arange(len(order)) - np.repeat(first, lengths)
    hashes = data.rows.document_hashes
    return [(hashes[documents[place]], int(counted[place])) for place in places]
