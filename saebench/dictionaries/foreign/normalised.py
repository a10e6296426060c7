"""Normalisation of every token at run time, without state between `encode` and `decode`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from saebench.dictionaries.codes import Codes
from saebench.dictionaries.contract import Context, Dictionary
from saebench.dictionaries.fixed import FixedDictionary
from saebench.errors import InputError

LAYER_NORM, CONSTANT_NORM = "layer_norm", "constant_norm_rescale"
EPSILON = 1e-5


@dataclass(eq=False)
class NormalisedDictionary(FixedDictionary):
    """`of` applied to normalised tokens, with the normalisation undone on its reconstruction.

    With mu and s the mean and the (unbiased) standard deviation of a token's coordinates:

        layer_norm             u = (x - mu) / (s + 1e-5),  x_hat = s u_hat + mu
        constant_norm_rescale  u = x sqrt(d) / ||x||,      x_hat = u_hat ||x|| / sqrt(d)

    `decode` needs the activation for these numbers, and reads them from the `x` that it is given, so that it stays
    pure. It is affine in the codes of one token only, hence `atoms` is None.

    Args:
        of: the dictionary of normalised activations.
        how: "layer_norm" or "constant_norm_rescale".
    """

    kind: ClassVar[str] = "normalised"
    of: Dictionary
    how: str

    def __post_init__(self) -> None:
        if self.how not in (LAYER_NORM, CONSTANT_NORM):
            raise TypeError(f"unknown normalisation {self.how!r}")
        self.describe(self.of.d_in, self.of.d_dict)
        self.traits = replace(self.of.traits, linear_decoder=False, needs_x_in_decode=True, foldable_to=())

    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        shift, _, divisor = self._statistics(x)
        return self.of.encode((x - shift) / divisor, context)

    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        if x is None:
            raise InputError("decode needs the activations, by whose norms the input was divided", field="x")
        shift, factor, _ = self._statistics(x)
        return self.of.decode(codes) * factor + shift

    @property
    def atoms(self) -> None:
        return None

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is subtracted, what a reconstruction is multiplied by, what the input is divided by; `[n, 1]` each."""
        if self.how == LAYER_NORM:
            mean = x.mean(1, keepdim=True)
            deviation = (x - mean).std(1, keepdim=True)
            return mean, deviation, deviation + EPSILON
        norm = (x.norm(dim=1, keepdim=True) / x.shape[1] ** 0.5).clamp(min=torch.finfo(x.dtype).tiny)
        return torch.zeros_like(norm), norm, norm
