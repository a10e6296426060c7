"""The one trained dictionary: weights, and a composition of blocks that says what is done with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from saebench.dictionaries.blocks.composition import Composition
from saebench.dictionaries.blocks.preprocess import Raw
from saebench.dictionaries.blocks.state import Pass, TrainingPass, TrainingState
from saebench.dictionaries.codes import Codes
from saebench.dictionaries.contract import Context, Dictionary, Provenance
from saebench.dictionaries.entries import Entries
from saebench.errors import InputError

__all__ = ["SparseAutoencoder", "TrainingPass", "TrainingState"]

ROWS = ("W_enc", "W_dec")


class SparseAutoencoder(nn.Module, Dictionary):
    """A dictionary made of blocks.

    `W_enc` and `W_dec` are `[d_dict, d_in]`, a row a latent (on disk `W_enc` is `[d_in, d_dict]`, as the field has
    it); `b_dec` is `[d_in]`; the encoder and the rule add vectors of their own. `encode` and `decode` read and give raw
    activations, before and after `fold`; codes are in units of the preprocessed input until folded.

    Args:
        composition: the blocks.
        d_in: width of the site.
        d_dict: number of latents.
        sites: names of the site that is read and written.

    Raises:
        CompositionError: a block cannot work with so many latents.
    """

    W_enc: nn.Parameter
    W_dec: nn.Parameter
    b_dec: nn.Parameter
    threshold: Tensor
    scale: Tensor

    def __init__(
        self,
        composition: Composition,
        d_in: int,
        d_dict: int,
        *,
        sites: Sequence[str] = (),
        provenance: Provenance | None = None,
    ) -> None:
        super().__init__()
        composition.sparsifier.rule.check_width(d_dict)
        self.composition = composition
        self.d_in = self.d_out = d_in
        self.d_dict = d_dict
        self.sites_in = self.sites_out = tuple(sites)
        self.provenance = provenance or Provenance(architecture=composition.architecture)
        self.traits = composition.traits()
        self.training_config: dict[str, Any] | None = composition.to_config()
        for name in ROWS:
            self.register_parameter(name, nn.Parameter(torch.zeros(d_dict, d_in)))
        self.b_dec = nn.Parameter(torch.zeros(d_in))
        for name in composition.encoder.parameters:
            self.register_parameter(name, nn.Parameter(torch.zeros(d_dict)))
        rule = composition.sparsifier.rule
        if rule.threshold is not None:
            values = torch.full((d_dict if rule.threshold == "latent" else 1,), rule.initial_threshold())
            if rule.learned:
                self.threshold = nn.Parameter(values)
            else:
                self.register_buffer("threshold", values)
        self.register_buffer("scale", torch.tensor(1.0))

    def extra_repr(self) -> str:
        """What `repr` shows: architecture, widths, site."""
        return ", ".join([self.composition.architecture, f"{self.d_in} -> {self.d_dict}", *self.sites_in])

    def weights(self) -> dict[str, Tensor]:
        """Parameters and thresholds by name, as blocks see them."""
        named = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        del named["scale"]
        return named

    def latent_axis(self, name: str) -> int | None:
        """The axis of a weight that runs over latents, or None."""
        if name == "b_dec":
            return None
        return 0 if self.weights()[name].shape[0] == self.d_dict else None

    @property
    def in_input_units(self) -> frozenset[str]:
        """Names of the weights that scale with the input: biases and thresholds."""
        return frozenset({"b_dec", "threshold", *self.composition.encoder.in_input_units})

    # Training

    def set_scale(self, sample: Tensor) -> None:
        """Fit the preprocessing on raw activations `[n, d_in]`."""
        self.scale.fill_(self.composition.preprocess.fit(sample))

    def initialise(self, generator: torch.Generator, sample: Tensor | None = None) -> None:
        """Initial weights; `sample` `[n, d_in]` are activations that are scaled already.

        Raises:
            CompositionError: the init block needs a sample and there is none.
        """
        self.composition.init.fill(self.weights(), generator, sample)

    def training_pass(self, x: Tensor, state: TrainingState) -> TrainingPass:
        """Loss and codes of raw activations `x` `[n, d_in]`, under the rule of training."""
        blocks, weights = self.composition, self.weights()
        x = (x * self.scale).to(self.W_enc.dtype)
        with torch.no_grad():
            hidden = blocks.encoder.hidden(x, weights)
            entries = blocks.sparsifier.reach(blocks.encoder.finish(hidden, Entries.every(hidden), weights), weights)
        pre = blocks.encoder.at(x, hidden, entries, weights)
        values = blocks.sparsifier.values(pre, entries, weights)
        seen = Pass(
            x=x,
            hidden=hidden,
            entries=entries,
            pre=pre,
            at=lambda others: blocks.encoder.at(x, hidden, others, weights),
            values=values,
            x_hat=blocks.decoder.at(values, entries, weights),
            weights=weights,
            state=state,
            prefixes=blocks.objective.prefixes(self.d_dict, state),
        )
        loss = blocks.objective.loss(seen)
        parts = {"reconstruction": loss.detach()}
        for item in blocks.regularisers:
            term = item.term(seen)
            if term is not None:
                loss = loss + state.coefficients.get(item.name, item.coefficient) * term
            parts[item.name] = loss.new_zeros(()) if term is None else term.detach()
        return self._report(seen, loss, parts)

    @torch.no_grad()
    def _report(self, seen: Pass, loss: Tensor, parts: dict[str, Tensor]) -> TrainingPass:
        cutoff = None
        if self.composition.sparsifier.rule.batch_coupled:
            score = self.composition.sparsifier.score.at(seen.pre, seen.entries, seen.weights)
            kept = seen.entries.gate(score)
            kept = kept[kept > 0]
            cutoff = kept.min() if len(kept) else None
        values = seen.values.detach()
        fired = seen.entries.fired(values)
        return TrainingPass(
            loss, parts, seen.entries, values, seen.x_hat.detach(), fired, fired.sum() / seen.entries.n, cutoff
        )

    def before_step(self) -> None:
        """Let the constraint change gradients before the optimiser reads them."""
        self.composition.constraint.before_step(self.weights())

    def after_step(self) -> None:
        """Let the constraint and the rule change weights after the optimiser wrote them."""
        weights = self.weights()
        self.composition.constraint.after_step(weights)
        self.composition.sparsifier.rule.after_step(weights)

    def fold(self) -> SparseAutoencoder:
        """The same dictionary for raw activations, without a preprocessing constant.

        Everything in units of the input (biases, thresholds) is divided by the constant, weights stay: codes are in
        units of the raw input then, and atoms keep their norms.
        """
        scale = self.scale.cpu().double()
        weights = {
            name: weight.detach().cpu().double() / scale if name in self.in_input_units else weight.detach()
            for name, weight in self.weights().items()
        }
        folded = self.rewritten(replace(self.composition, preprocess=Raw()), weights)
        folded.scale.fill_(1)
        return folded

    @torch.no_grad()
    def rewritten(self, composition: Composition, weights: Mapping[str, Tensor]) -> SparseAutoencoder:
        """A dictionary of other blocks and weights, with the sites, provenance, scale and dtype of this one."""
        other = SparseAutoencoder(composition, self.d_in, self.d_dict, sites=self.sites_in, provenance=self.provenance)
        other.training_config = self.training_config
        other.to(self.W_enc.device, self.W_enc.dtype)
        for name, weight in other.weights().items():
            weight.copy_(weights[name])
        other.scale.copy_(self.scale)
        return other

    # The dictionary

    def encode(self, x: Tensor, context: Context | None = None) -> Codes:
        """Codes of raw activations `x` `[n, d_in]`, under the rule for single tokens.

        Raises:
            CheckpointError: the threshold of a batch rule was never set.
            InputError: `x` has another width.
        """
        if x.shape[-1] != self.d_in:
            raise InputError(f"activations are {x.shape[-1]} wide, the dictionary reads {self.d_in}", field="x")
        blocks, weights = self.composition, self.weights()
        sparsifier = blocks.sparsifier.inference()
        x = (x * self.scale).to(self.W_enc.dtype)
        with torch.no_grad():
            hidden = blocks.encoder.hidden(x, weights)
            entries = sparsifier.choose(blocks.encoder.finish(hidden, Entries.every(hidden), weights), weights)
        pre = blocks.encoder.at(x, hidden, entries, weights)
        return entries.codes(sparsifier.values(pre, entries, weights))

    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        """Reconstruction of raw activations, `[n, d_in]`."""
        return self.composition.decoder.of(codes, self.weights()) / self.scale

    def forward(self, x: Tensor) -> Tensor:
        """`decode(encode(x))`."""
        return self.decode(self.encode(x))

    @property
    def atoms(self) -> Tensor:
        return self.W_dec.detach() if float(self.scale) == 1 else self.W_dec.detach() / self.scale

    @property
    def encoder_rows(self) -> Tensor:
        return self.W_enc.detach() if float(self.scale) == 1 else self.W_enc.detach() * self.scale

    def recipe(self) -> dict[str, Any]:
        return {
            "kind": "autoencoder",
            "d_in": self.d_in,
            "d_dict": self.d_dict,
            "scale": float(self.scale),
            **self.composition.inference_config(),
        }

    def tensors(self) -> dict[str, Tensor]:
        """Weights by their names on disk; `W_enc` is `[d_in, d_dict]` there."""
        return {
            name: weight.detach().T if name == "W_enc" else weight.detach() for name, weight in self.weights().items()
        }

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Self:  # type: ignore[override]
        """Move, in place as modules do; `dtype` is that of all weights."""
        scale = self.scale.to(device, copy=True)
        super().to(device=device, dtype=dtype)
        self.scale = scale
        return self
