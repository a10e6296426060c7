"""Entries: the (token, latent) pairs of a batch that are computed with gradients, and products over them.

A dictionary touches few latents a token, so that nothing but the pre-activations needs a dense matrix. `Entries` holds
every pair (arrays are `[n, d_dict]`), or the same number of slots for each token (`[n, slots]`), or any list of pairs
(`[pairs]`), and every elementwise formula of a block reads the same for all three. The two products over entries,

    linear: <row of the latent, x - centre> + bias       (encoder)
    bag:    sum over latents of value * row              (decoder)

have gradients that are bags again: with respect to a table of rows, a bag over the tokens of each latent. Sums run in
a fixed order, so that two runs on one CPU agree bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from saebench.dictionaries.codes import Codes, DenseCodes, SparseCodes, from_pairs


@dataclass(frozen=True)
class Entries:
    """Pairs of a batch of `n` tokens and `width` latents.

    Args:
        latents: None for every pair, `[n, slots]` for slots, `[pairs]` for a list.
        tokens: the tokens of a list, ascending, `[pairs]`; None for the other forms.
        keep: which entries the rule lets through, of the shape of the entries; None for all.
    """

    n: int
    width: int
    latents: Tensor | None = None
    tokens: Tensor | None = None
    keep: Tensor | None = None

    @classmethod
    def every(cls, matrix: Tensor, keep: Tensor | None = None) -> Entries:
        """Every pair of a matrix `[n, width]`."""
        return cls(matrix.shape[0], matrix.shape[1], keep=keep)

    @classmethod
    def slots(cls, matrix: Tensor, latents: Tensor) -> Entries:
        """`latents` `[n, slots]` of a matrix `[n, width]`."""
        return cls(matrix.shape[0], matrix.shape[1], latents)

    @classmethod
    def pairs(cls, matrix: Tensor, flat: Tensor) -> Entries:
        """Places `flat` `[pairs]`, ascending, of a matrix `[n, width]` read row by row."""
        width = matrix.shape[1]
        tokens = flat // width
        return cls(matrix.shape[0], width, flat - tokens * width, tokens)

    def per_latent(self, vector: Tensor) -> Tensor:
        """A vector `[width]` spread over the entries (it broadcasts against them)."""
        return vector if self.latents is None else vector[self.latents]

    def pick(self, matrix: Tensor) -> Tensor:
        """The entries of a matrix `[n, width]`."""
        if self.latents is None:
            return matrix
        return matrix.gather(1, self.latents) if self.tokens is None else matrix[self.tokens, self.latents]

    def gate(self, values: Tensor) -> Tensor:
        """`values` where the rule lets them through, else 0."""
        return values if self.keep is None else torch.where(self.keep, values, 0)

    def within(self, low: int, high: int) -> tuple[Entries, Tensor]:
        """Entries of the latents `low` .. `high - 1` as a list, and their places among the entries read in order."""
        if self.latents is None or self.tokens is None:
            raise ValueError("needs a list of pairs")
        places = ((self.latents >= low) & (self.latents < high)).nonzero().squeeze(1)
        return Entries(self.n, self.width, self.latents[places], self.tokens[places]), places

    def listed(self) -> Entries:
        """Slots as a list of pairs; a list is itself."""
        if self.latents is None or self.tokens is not None:
            return self
        slots = self.latents.shape[1]
        tokens = torch.arange(self.n, device=self.latents.device).repeat_interleave(slots)
        return Entries(self.n, self.width, self.latents.reshape(-1), tokens)

    def fired(self, values: Tensor) -> Tensor:
        """On how many tokens each latent is not 0, `[width]` int64."""
        if self.latents is None:
            return (values != 0).sum(0)
        return torch.bincount(self.latents[values != 0], minlength=self.width)

    def codes(self, values: Tensor) -> Codes:
        """Codes that hold `values` at the entries and 0 elsewhere."""
        if self.latents is None:
            return DenseCodes(values)
        if self.tokens is None:
            return SparseCodes(values, self.latents, self.width)
        return from_pairs(values, self.tokens, self.latents, self.n, self.width)

    def linear(self, x: Tensor, centre: Tensor | None, rows: Tensor, bias: Tensor | None, ready: Tensor) -> Tensor:
        """`<row_i, x - centre> + bias_i` at the entries, with gradients for `x`, `centre`, `rows` and `bias`.

        Args:
            x: `[n, d]`.
            centre: `[d]` or None.
            rows: `[width, d]`.
            bias: `[width]` or None.
            ready: the same for all pairs `[n, width]`, computed before without gradient.
        """
        known = self.pick(ready)
        result: Tensor = _Linear.apply(x, centre, rows, bias, known, self)  # type: ignore[no-untyped-call]
        return result

    def bag(self, values: Tensor, rows: Tensor) -> Tensor:
        """`sum_i value_i row_i` of each token, `[n, d]`, with gradients for `values` and `rows`."""
        if self.latents is None:
            return values @ rows
        if self.latents.numel() == 0:
            return rows.new_zeros(self.n, rows.shape[1]) + values.sum()
        starts = None if self.tokens is None else self._starts
        total = functional.embedding_bag(self.latents, rows.detach(), starts, mode="sum", per_sample_weights=values)
        if not (torch.is_grad_enabled() and rows.requires_grad):
            return total
        result: Tensor = _RowGradient.apply(total, rows, values.detach(), self)  # type: ignore[no-untyped-call]
        return result

    def transposed(self, values: Tensor, x: Tensor) -> Tensor:
        """`sum over tokens of value * x` for each latent, `[width, d]`."""
        if self.latents is None:
            return values.T @ x
        if self.latents.numel() == 0:
            return x.new_zeros(self.width, x.shape[1])
        order, starts, tokens = self._by_latent
        return functional.embedding_bag(tokens, x, starts, mode="sum", per_sample_weights=values.reshape(-1)[order])

    def latent_sums(self, values: Tensor) -> Tensor:
        """Sum of `values` over the tokens of each latent, `[width]`."""
        if self.latents is None:
            return values.sum(0)
        return values.new_zeros(self.width).index_add_(0, self.latents.reshape(-1), values.reshape(-1))

    @cached_property
    def _starts(self) -> Tensor:
        """Where each token starts in a list, `[n]`."""
        assert self.tokens is not None
        counts = torch.bincount(self.tokens, minlength=self.n)
        return counts.cumsum(0) - counts

    @cached_property
    def _by_latent(self) -> tuple[Tensor, Tensor, Tensor]:
        """Entries sorted by latent, where each latent starts, and the tokens of the sorted entries."""
        assert self.latents is not None
        flat = self.latents.reshape(-1)
        order = flat.argsort(stable=True)
        counts = torch.bincount(flat, minlength=self.width)
        tokens = order // self.latents.shape[1] if self.tokens is None else self.tokens[order]
        return order, counts.cumsum(0) - counts, tokens


class _Linear(torch.autograd.Function):
    """Values that are known already, with the gradients of the linear map that made them."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, centre: Tensor | None, rows: Tensor, bias: Tensor | None, known: Tensor, entries: Entries
    ) -> Tensor:
        ctx.save_for_backward(x, centre, rows)
        ctx.entries = entries
        return known.view_as(known)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, centre, rows = ctx.saved_tensors
        entries: Entries = ctx.entries
        for_x, for_centre, for_rows, for_bias = ctx.needs_input_grad[:4]
        with torch.no_grad():
            grad_x = entries.bag(grad, rows) if for_x else None
            sums = entries.latent_sums(grad) if for_bias or for_centre else None
            grad_centre = -(sums @ rows) if for_centre and sums is not None else None
            grad_rows = entries.transposed(grad, x if centre is None else x - centre) if for_rows else None
        return grad_x, grad_centre, grad_rows, sums if for_bias else None, None, None


class _RowGradient(torch.autograd.Function):
    """The identity on a bag, which adds the gradient of its rows."""

    @staticmethod
    def forward(ctx: Any, total: Tensor, rows: Tensor, values: Tensor, entries: Entries) -> Tensor:
        ctx.save_for_backward(values)
        ctx.entries = entries
        return total.view_as(total)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (values,) = ctx.saved_tensors
        grad = grad.contiguous()
        return grad, ctx.entries.transposed(values, grad), None, None
