"""The one form that every foreign reader produces: named tensors, a rule, and what must be folded.

With u = x - b_dec where `centred`, else u = x, and z = u W_enc + b_enc, the codes are

    relu       max(z, 0)
    threshold  z where z > max(threshold, 0), else 0
    topk       max(z, 0) on the k largest z of a token
    abstopk    z on the k largest |z| of a token
    groupmax   max(z, 0) on the largest z of each of k groups of neighbouring latents
    gated      max(u W_enc exp(r_mag) + b_mag, 0) where u W_enc + b_gate > 0

and the reconstruction is codes W_dec + b_dec.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor

from saebench.dictionaries.contract import Provenance
from saebench.errors import CheckpointError

Rule = Literal["relu", "threshold", "topk", "abstopk", "groupmax", "gated"]
VECTORS: dict[Rule, tuple[str, ...]] = {
    "relu": ("b_enc",),
    "threshold": ("b_enc", "threshold"),
    "topk": ("b_enc",),
    "abstopk": ("b_enc",),
    "groupmax": ("b_enc",),
    "gated": ("r_mag", "b_gate", "b_mag"),
}
"""Per-latent tensors of each rule."""
MAGNITUDES = ("b_enc", "threshold", "b_gate", "b_mag")
"""Those of them in the unit of the codes."""


@dataclass(frozen=True)
class Weights:
    """An inference-time sparse coder, as read.

    Args:
        rule: how codes follow from pre-activations.
        tensors: `W_enc` [d, F], `W_dec` [F, d], `b_dec` [d] and the per-latent tensors of the rule, [F] each.
        centred: the encoder subtracts `b_dec` from its input.
        source: the file or folder, for messages.
        k: active latents of a token, for rules that count.
        prefixes: sizes of nested prefixes of ordered latents.
    """

    rule: Rule
    tensors: Mapping[str, Tensor]
    centred: bool
    source: Path | str
    k: int | None = None
    prefixes: tuple[int, ...] = ()
    sites: tuple[str, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        if self.tensors["W_enc"].ndim != 2:
            raise CheckpointError("is no matrix", file=self.source, field="W_enc")
        d, width = self.tensors["W_enc"].shape
        shapes = {"W_enc": (d, width), "W_dec": (width, d), "b_dec": (d,)}
        shapes |= dict.fromkeys(VECTORS[self.rule], (width,))
        for name, shape in shapes.items():
            found = tuple(self.tensors[name].shape)
            if found != shape:
                raise CheckpointError(
                    f"has shape {list(found)} where W_enc [{d}, {width}] asks for {list(shape)}",
                    file=self.source,
                    field=name,
                    remedy="the checkpoint is of another library or version",
                )
        if self.k is not None and not 1 <= self.k <= width:
            raise CheckpointError(f"{self.k} is not between 1 and the {width} latents", file=self.source, field="k")

    def with_decoder_norms_folded(self) -> Self:
        """Unit atoms: n = |atom| moves from the decoder into the encoder (architectures that are homogeneous in z).

        Exact for every rule but a count (`topk`, `abstopk`, `groupmax`) that selects by z; there it gives the coder
        that selects by z n. Atoms of norm 0 stay as they are.
        """
        norms = self.tensors["W_dec"].norm(dim=1)
        norms = torch.where(norms == 0, 1, norms)
        changed = {name: value * norms for name, value in self.tensors.items() if name in MAGNITUDES}
        changed["W_enc"] = self.tensors["W_enc"] * norms
        changed["W_dec"] = self.tensors["W_dec"] / norms.unsqueeze(1)
        return replace(self, tensors={**self.tensors, **changed})

    def with_input_scale_folded(self, scale: float) -> Self:
        """The coder of x whose codes are those of this one at `scale` x, for weights trained on scaled input.

        W_enc s, W_dec / s, b_dec / s: codes keep their unit.

        Raises:
            CheckpointError: the scale is not a positive number.
        """
        if not 0 < scale < float("inf"):
            raise CheckpointError(
                f"{scale} is no usable scale of activations", file=self.source, field="scaling_factor"
            )
        changed = {
            "W_enc": self.tensors["W_enc"] * scale,
            "W_dec": self.tensors["W_dec"] / scale,
            "b_dec": self.tensors["b_dec"] / scale,
        }
        return replace(self, tensors={**self.tensors, **changed})
