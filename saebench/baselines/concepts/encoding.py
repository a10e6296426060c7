"""Codes of texts, a few texts at a time, whatever the dictionary reads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from saebench.baselines.concepts.texts import ConceptTexts, IntArray
from saebench.dictionaries.codes import Codes
from saebench.dictionaries.contract import Context, Dictionary
from saebench.errors import SubjectFailed

TEXTS = 16
"""Texts that are encoded at once."""


def place_of(dictionary: Dictionary) -> Tensor:
    """A tensor that is where the dictionary is, and of its dtype."""
    floating = (tensor for tensor in dictionary.tensors().values() if tensor.is_floating_point())
    return next(floating, torch.zeros(0))


@torch.no_grad()
def encoded(dictionary: Dictionary, texts: ConceptTexts) -> Iterator[tuple[IntArray, Codes]]:
    """Codes of the tokens that count of a few texts at a time, with the number of tokens of each text.

    Raises:
        SubjectFailed: codes of another number or width.
    """
    place = place_of(dictionary)
    for rows in np.split(np.arange(len(texts)), range(TEXTS, len(texts), TEXTS)):
        some = texts.some(rows)
        if dictionary.traits.sequence_coupled:
            mask = some.mask.to(place.device)
            positions = torch.arange(mask.shape[1], device=place.device).expand(mask.shape)
            codes = dictionary.encode(some.x.to(place), Context(mask, positions)).select(mask.flatten())
        else:
            codes = dictionary.encode(some.flat.to(place))
        if (codes.n, codes.d_dict) != (len(some.flat), dictionary.d_dict):
            raise SubjectFailed(
                f"encode gave codes of {codes.n} tokens over {codes.d_dict} latents, "
                f"not of {len(some.flat)} over {dictionary.d_dict}"
            )
        yield some.counts, codes
