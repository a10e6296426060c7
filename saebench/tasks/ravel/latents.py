"""Swapping the latents of a dictionary between two entities, and learning which ones to swap."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from saebench.dictionaries.codes import DenseCodes
from saebench.dictionaries.contract import Dictionary
from saebench.errors import SubjectFailed
from saebench.tasks.ravel.learning import learn
from saebench.tasks.ravel.pairs import Pair
from saebench.tasks.ravel.stand import Stand


class Latents:
    """The codes of all entity tokens of a stand under one dictionary.

    Args:
        dictionary: at the stand's site.
        stand: gives the entity tokens.
        add_error: add to what is decoded the part of the base's activation that the dictionary does not reconstruct.

    Raises:
        SubjectFailed: it reads whole sequences, or its reconstruction has another shape than the site.
    """

    def __init__(self, dictionary: Dictionary, stand: Stand, *, add_error: bool) -> None:
        if dictionary.traits.sequence_coupled:
            raise SubjectFailed("it reads whole sequences, and a swap changes the codes of one token alone")
        if dictionary.d_out != dictionary.d_in:
            raise SubjectFailed(f"it reads {dictionary.d_in} activations and gives {dictionary.d_out}: not one site")
        self._dictionary, self._x, self._add_error = dictionary, stand.entities, add_error
        with torch.no_grad():
            self._codes = dictionary.encode(self._x)

    @property
    def d_dict(self) -> int:
        """Latents."""
        return self._dictionary.d_dict

    def swapped(self, bases: Tensor, sources: Tensor, share: Tensor) -> Tensor:
        """`decode((1 - share) f_base + share f_source)`, `[b, width]`, for `share` `[d_dict]` between 0 and 1."""
        base = self._dense(bases)
        mixed = torch.lerp(base.to(share.dtype), self._dense(sources).to(share.dtype), share)
        out = self._decode(mixed.to(base.dtype), bases)
        if self._add_error:
            out = out + self._x[bases.to(self._x.device)] - self._decode(base, bases)
        return out

    def constant(self, bases: Tensor, sources: Tensor) -> bool:
        """Whether swapping everything changes nothing."""
        none = torch.zeros(self.d_dict, device=self._x.device)
        with torch.no_grad():
            return torch.equal(self.swapped(bases, sources, none), self.swapped(bases, sources, 1 - none))

    def _dense(self, rows: Tensor) -> Tensor:
        return self._codes.select(rows.to(self._x.device)).dense()

    def _decode(self, codes: Tensor, rows: Tensor) -> Tensor:
        x = self._x[rows.to(self._x.device)]
        out = self._dictionary.decode(DenseCodes(codes), x if self._dictionary.traits.needs_x_in_decode else None)
        if out.shape != x.shape:
            raise SubjectFailed(f"decode gave shape {tuple(out.shape)}, its site has {tuple(x.shape)}")
        return out


def learn_mask(
    latents: Latents,
    stand: Stand,
    pairs: Sequence[Pair],
    *,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed: int,
) -> Tensor:
    """Which latents carry an attribute, `[d_dict]` bool: m > 0 after m was learned from 0 with `sigmoid(m / T)`.

    A latent that is active on no pair gets no gradient and stays out. So does every latent of a dictionary whose
    reconstruction does not depend on its codes (the mean control), as there is nothing to learn.

    Raises:
        SubjectFailed: the reconstruction depends on the codes, and torch sees no gradient through `decode`.
    """
    mask = torch.zeros(latents.d_dict, device=stand.entities.device, requires_grad=True)
    bases, sources, _ = stand.rows(pairs)
    with torch.enable_grad():
        probe = latents.swapped(bases[:1], sources[:1], torch.sigmoid(mask))
    if not probe.requires_grad:
        if latents.constant(bases, sources):
            return torch.zeros_like(mask, dtype=torch.bool)
        raise SubjectFailed("no gradient goes through its decode, and without one no mask can be learned")
    learn(
        mask,
        lambda base, source, temperature: latents.swapped(base, source, torch.sigmoid(mask / temperature)),
        stand,
        pairs,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        seed=seed,
    )
    return mask.detach() > 0
