"""The weights of a dictionary as rows, one a latent, in the coordinates in which SAE Match compares them."""

from __future__ import annotations

import torch
from torch import Tensor

from saebench.dictionaries.autoencoder import SparseAutoencoder
from saebench.dictionaries.contract import Dictionary
from saebench.dictionaries.folds import fold_thresholds
from saebench.errors import CompositionError


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


def encoders_of(first: Dictionary, second: Dictionary) -> tuple[Tensor, Tensor] | None:
    """Encoder rows and bias of both, `[d_dict, d_in + 1]`; None where one has no linear encoder with a bias.

    Where both subtract a `b_dec` before encoding, or neither does, the bias is `b_enc`; otherwise it is brought to raw
    activations, `b_enc - W_enc b_dec`.
    """
    if not (isinstance(first, SparseAutoencoder) and isinstance(second, SparseAutoencoder)):
        return None
    alike = first.composition.encoder.subtract_b_dec == second.composition.encoder.subtract_b_dec
    a, b = (encoder_of(one, raw=not alike) for one in (first, second))
    return None if a is None or b is None else (a, b)


def encoder_of(dictionary: SparseAutoencoder, *, raw: bool) -> Tensor | None:
    """Encoder rows with their bias, on raw activations if `raw`."""
    bias = dictionary.weights().get("b_enc")
    if bias is None:
        return None
    shift = wide(bias)
    if raw and dictionary.composition.encoder.subtract_b_dec:
        shift = shift - wide(dictionary.W_enc) @ wide(dictionary.b_dec)
    return torch.cat([wide(dictionary.encoder_rows), shift.unsqueeze(1)], dim=1)


def wide(values: Tensor) -> Tensor:
    """float64 on the CPU."""
    return values.detach().cpu().double()
