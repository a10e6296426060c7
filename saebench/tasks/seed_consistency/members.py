"""One dictionary of a set: its directions, and what its latents do on the evaluated tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from saebench.dictionaries.code_matrices import as_csr
from saebench.dictionaries.contract import Context
from saebench.errors import SubjectFailed
from saebench.matching import UnitRows, unit_rows
from saebench.matching.cosines import Array

if TYPE_CHECKING:
    from saebench.activations.sets import ActivationSet
    from saebench.dictionaries.contract import Dictionary
    from saebench.tasks.contract import Bench, Subject


@dataclass(frozen=True, eq=False)
class Member:
    """A dictionary with its codes on the evaluated tokens."""

    label: str
    """Unique in the set, and the same in whatever order its members are named."""
    name: str
    fingerprint: str
    architecture: str
    train_seed: int | None
    d_dict: int
    signed: bool
    """Its codes may be negative."""
    atoms: Tensor | None
    """float32 `[d_dict, d]` on the CPU."""
    encoder: Tensor | None
    """Likewise."""
    codes: Any
    """scipy CSR float32 `[tokens, d_dict]`."""

    @cached_property
    def rates(self) -> Array:
        """Share of the tokens on which each latent fires, `[d_dict]`."""
        fired: Array = np.bincount(self.codes.indices, minlength=self.d_dict)
        return fired / int(self.codes.shape[0])

    @cached_property
    def alive(self) -> Array:
        """Latents that fire on an evaluated token, ascending."""
        return np.flatnonzero(self.rates > 0)

    @cached_property
    def columns(self) -> Any:
        """The codes by latent: scipy CSC."""
        return self.codes.tocsc()

    def unit_atoms(self) -> UnitRows:
        """Unit decoder rows of a dictionary that has some.

        Raises:
            SubjectFailed: they hold NaN or an infinity.
        """
        return self._unit(self.atoms, "atoms")

    def unit_encoder(self) -> UnitRows:
        """Unit encoder rows, likewise."""
        return self._unit(self.encoder, "encoder rows")

    def _unit(self, rows: Tensor | None, what: str) -> UnitRows:
        assert rows is not None
        try:
            return unit_rows(rows, warn=False)
        except ValueError as error:
            raise SubjectFailed(f"the {what} of {self.name} cannot be compared: {error}") from error

    def describe(self) -> dict[str, Any]:
        """For details."""
        zero = None if self.atoms is None else int(self.unit_atoms().zero.sum())
        zero_encoder = None if self.encoder is None else int(self.unit_encoder().zero.sum())
        return {
            "label": self.label,
            "name": self.name,
            "fingerprint": self.fingerprint,
            "architecture": self.architecture,
            "train_seed": self.train_seed,
            "d_dict": self.d_dict,
            "signed_codes": self.signed,
            "dead_latents": self.d_dict - len(self.alive),
            "zero_decoder_rows": zero,
            "zero_encoder_rows": zero_encoder,
        }


def members_of(subject: Subject, data: ActivationSet, bench: Bench) -> list[Member]:
    """The members in the order of their fingerprints, encoded.

    Raises:
        SubjectFailed: fewer than two, or codes that are not finite.
    """
    ordered = sorted(subject.members, key=lambda member: member.fingerprint)
    if len(ordered) < 2:
        raise SubjectFailed("a set has two dictionaries at least")
    seen: dict[str, int] = {}
    made = []
    for member in ordered:
        # A dictionary that is named twice, under two paths, stays two members.
        count = seen[member.fingerprint] = seen.get(member.fingerprint, 0) + 1
        label = member.fingerprint[:12] + (f"-{count}" if count > 1 else "")
        made.append(read(member, label, data, bench))
    return made


def read(member: Subject, label: str, data: ActivationSet, bench: Bench) -> Member:
    """Encode one dictionary."""
    dictionary = member.dictionary()
    atoms, encoder = (
        None if rows is None else rows.detach().to("cpu", torch.float32)
        for rows in (dictionary.atoms, dictionary.encoder_rows)
    )
    return Member(
        label=label,
        name=member.name,
        fingerprint=member.fingerprint,
        architecture=dictionary.provenance.architecture,
        train_seed=dictionary.provenance.train_seed,
        d_dict=dictionary.d_dict,
        signed=dictionary.traits.signed,
        atoms=atoms,
        encoder=encoder,
        codes=encode(dictionary, member.name, data, bench),
    )


def encode(dictionary: Dictionary, name: str, data: ActivationSet, bench: Bench) -> Any:
    """Codes of all unmasked tokens, in their order: scipy CSR float32.

    Raises:
        SubjectFailed: they are not finite, or not one for each token.
    """
    parts = []
    for start in range(0, data.n_rows, bench.rows_per_block):
        stop = min(start + bench.rows_per_block, data.n_rows)
        mask = torch.from_numpy(np.ascontiguousarray(data.mask[start:stop])).to(bench.lm.device)
        x = data.block(start, stop).to(bench.lm.device, bench.lm.dtype)
        if dictionary.traits.sequence_coupled:
            positions = torch.arange(mask.shape[1], device=x.device).expand_as(mask)
            codes, kept = dictionary.encode(x, Context(mask, positions)), mask.flatten()
            matrix = as_csr(codes)[kept.cpu().numpy()] if codes.n == len(kept) else None
        else:
            codes = dictionary.encode(x[mask])
            matrix = as_csr(codes) if codes.n == int(mask.sum()) else None
        if matrix is None:
            raise SubjectFailed(f"{name} gave {codes.n} codes for {int(mask.sum())} unmasked tokens of {mask.numel()}")
        if not np.isfinite(matrix.data).all():
            raise SubjectFailed(f"the codes of {name} hold NaN or an infinity")
        parts.append(matrix)
    return sparse.vstack(parts, format="csr")


def without(members: Sequence[Member], side: str) -> str:
    """Names of the members that have no such directions, "" where all have."""
    return ", ".join(member.name for member in members if getattr(member, side) is None)
