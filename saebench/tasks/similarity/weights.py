"""The weights of a dictionary as rows, one a latent, in the coordinates in which SAE Match compares them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from saebench.dictionaries.autoencoder import SparseAutoencoder
from saebench.dictionaries.contract import Dictionary
from saebench.dictionaries.folds import fold_thresholds
from saebench.errors import CompositionError


@dataclass(frozen=True)
class Weights:
    """Rows of one dictionary, float64 on the CPU."""

    decoder: Tensor
    """`[d_dict, d_out]`."""
    encoder: Tensor | None
    """`[d_dict, d_in + 1]`: encoder rows and the bias that they have on raw activations; None without such rows."""


def folded(dictionary: Dictionary) -> Dictionary | None:
    """The dictionary with thresholds of 1, or None where its rule has no positive thresholds."""
    if not isinstance(dictionary, SparseAutoencoder):
        return None
    try:
        return fold_thresholds(dictionary)
    except CompositionError:
        return None


def in_one_form(first: Dictionary, second: Dictionary) -> tuple[Dictionary, Dictionary, bool]:
    """Both folded where both can be, else both as they are: coordinates of two kinds cannot be compared."""
    forms = folded(first), folded(second)
    if forms[0] is not None and forms[1] is not None:
        return forms[0], forms[1], True
    return first, second, False


def weights_of(dictionary: Dictionary) -> Weights | None:
    """Its rows, or None where it has no linear decoder."""
    atoms = dictionary.atoms
    if atoms is None:
        return None
    return Weights(wide(atoms), encoder_of(dictionary))


def encoder_of(dictionary: Dictionary) -> Tensor | None:
    """Encoder rows with the bias on raw activations: `b_enc - W_enc b_dec` where `b_dec` is subtracted first."""
    if not isinstance(dictionary, SparseAutoencoder) or dictionary.encoder_rows is None:
        return None
    named = dictionary.weights()
    bias = named.get("b_enc")
    if bias is None:
        return None
    rows, shift = wide(dictionary.encoder_rows), wide(bias)
    if dictionary.composition.encoder.subtract_b_dec:
        shift = shift - wide(dictionary.W_enc) @ wide(dictionary.b_dec)
    return torch.cat([rows, shift.unsqueeze(1)], dim=1)


def wide(values: Tensor) -> Tensor:
    """float64 on the CPU."""
    return values.detach().cpu().double()
