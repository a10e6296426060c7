"""What every dictionary is: anything with `encode` and `decode` over activations of a site.

An SAE, PCA, a random dictionary and an adapter around a foreign object all fulfil this one contract,
and every task is written against it alone. A dictionary reads raw activations of its site and returns
raw activations: scaling, centring and norm folding happen once, when it is loaded.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from saebench.dictionaries.codes import Codes
from saebench.fingerprint import array_digest, digest


@dataclass(frozen=True)
class Traits:
    """What a reader of codes must know. All default to the plain SAE."""

    signed: bool = False
    """Codes may be negative (AbsTopK, PCA)."""
    batch_coupled: bool = False
    """The code of a token depends on the other tokens of the batch."""
    sequence_coupled: bool = False
    """`encode` reads `[batch, seq, d_in]` and tokens of a sequence depend on each other."""
    linear_decoder: bool = True
    """`decode` is affine in the codes with rows `atoms`."""
    ordered_latents: bool = False
    """The order of latents has a meaning (Matryoshka): never permute."""
    stochastic: bool = False
    """`encode` draws random numbers."""
    scale_sensitive: bool = False
    """Selection changes when the input is multiplied by a positive constant (a threshold)."""
    needs_x_in_decode: bool = False
    """`decode` needs the input activation as well (skip connections)."""
    foldable_to: tuple[str, ...] = ()
    """Inference forms that this dictionary can be written as, exactly."""


@dataclass(frozen=True)
class Provenance:
    """Where a dictionary comes from. None of it changes `encode` or `decode`, so none is identity."""

    architecture: str = "unknown"
    lm: str | None = None
    """Name of the language model."""
    lm_weights_hash: str | None = None
    data: str | None = None
    """Name and fingerprint of the training corpus."""
    documents: tuple[str, ...] = ()
    """Hashes of the training documents: a task can tell whether its data was seen in training."""
    train_seed: int | None = None
    tokens: int | None = None
    """Training tokens seen, repeats counted."""
    parents: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What a foreign format says beyond this, JSON values only."""

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `Provenance(**...)` reads back (lists become tuples)."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; unknown keys go to `extra`."""
        known = {key: value[key] for key in cls.__dataclass_fields__ if key in value}
        for key in ("documents", "parents"):
            known[key] = tuple(known.get(key, ()))
        rest = {key: item for key, item in value.items() if key not in cls.__dataclass_fields__}
        known["extra"] = {**known.get("extra", {}), **rest}
        return cls(**known)


@dataclass(frozen=True)
class Context:
    """What travels beside activations for dictionaries that look at sequences.

    Both are `[batch, seq]`: `mask` is True on real tokens, `positions` counts from 0 in the row.
    """

    mask: Tensor
    positions: Tensor


class Dictionary(abc.ABC):
    """Base of everything that is scored as a dictionary.

    Shapes: `x` is `[n, d_in]` (or `[batch, seq, d_in]` when `traits.sequence_coupled`; several input sites
    as a leading axis), codes cover `d_dict` latents, `decode` gives `[n, d_out]`. All calls are made under
    `torch.no_grad` by tasks; `decode` is pure: it may be called twice, on edited codes, in any order.
    """

    sites_in: tuple[str, ...]
    sites_out: tuple[str, ...]
    d_in: int
    d_out: int
    d_dict: int
    traits: Traits
    provenance: Provenance

    @abc.abstractmethod
    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        """Codes of activations `x` `[n, d_in]`."""

    @abc.abstractmethod
    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        """Reconstruction `[n, d_out]`; `x` only where `traits.needs_x_in_decode`."""

    @property
    @abc.abstractmethod
    def atoms(self) -> Tensor | None:
        """Decoder rows `[d_dict, d_out]`, or None where the decoder is not linear."""

    @property
    def encoder_rows(self) -> Tensor | None:
        """Encoder directions `[d_dict, d_in]`, or None where there is no linear encoder."""
        return None

    @abc.abstractmethod
    def recipe(self) -> dict[str, Any]:
        """Every field beside the tensors that changes `encode` or `decode`, as a JSON object."""

    @abc.abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Every tensor that changes `encode` or `decode`, by name."""

    @abc.abstractmethod
    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Self:
        """The same dictionary on another device or in another dtype."""

    def fingerprint(self) -> str:
        """32 hex digits over `recipe` and `tensors`: the identity of what is scored."""
        arrays = {name: tensor_array(tensor) for name, tensor in self.tensors().items()}
        return digest({"recipe": self.recipe(), "tensors": array_digest(arrays)})


def tensor_array(tensor: Tensor) -> np.ndarray[Any, Any]:
    """A numpy view of a tensor's bits; bfloat16, which numpy lacks, comes as int16."""
    value = tensor.detach().cpu().contiguous()
    return value.view(torch.int16).numpy() if value.dtype == torch.bfloat16 else value.numpy()
