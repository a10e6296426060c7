"""Entries: the (token, latent) pairs of a batch that are computed with gradients, and products over them.

A dictionary touches few latents a token, so that nothing but the pre-activations needs a dense matrix. `Entries` is
either every pair (arrays `[n, d_dict]`) or some slots a token (arrays `[n, slots]`), and every elementwise formula of
a block reads the same for both. The two products over entries are

    at(x) = <row of the latent, x - centre> + bias      (encoder)
    bag   = sum of value * row of the latent            (decoder)

whose gradients are again bags: with respect to a table of rows, a bag over the *tokens* of each latent. Sums run in a
fixed order, so that two runs on one CPU agree bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from saebench.dictionaries.codes import Codes, DenseCodes, SparseCodes


@dataclass(frozen=True)
class Entries:
    """Pairs of a batch of `n` tokens and `width` latents.

    Args:
        latents: `[n, slots]`, or None for all latents of every token.
        keep: which entries the rule lets through, of the shape of the entries; None for all.
    """

    n: int
    width: int
    latents: Tensor | None = None
    keep: Tensor | None = None

    @classmethod
    def of(cls, matrix: Tensor, latents: Tensor | None = None, keep: Tensor | None = None) -> Entries:
        """Entries of the pairs that `matrix` `[n, width]` holds."""
        return cls(matrix.shape[0], matrix.shape[1], latents, keep)

    def per_latent(self, vector: Tensor) -> Tensor:
        """A vector `[width]` spread over the entries (it broadcasts against them)."""
        return vector if self.latents is None else vector[self.latents]

    def pick(self, matrix: Tensor) -> Tensor:
        """The entries of a matrix `[n, width]`."""
        return matrix if self.latents is None else matrix.gather(1, self.latents)

    def gate(self, values: Tensor) -> Tensor:
        """`values` where the rule lets them through, else 0."""
        return values if self.keep is None else torch.where(self.keep, values, 0)

    def codes(self, values: Tensor) -> Codes:
        """Codes that hold `values` at the entries and 0 elsewhere."""
        return DenseCodes(values) if self.latents is None else SparseCodes(values, self.latents, self.width)

    def linear(self, x: Tensor, centre: Tensor | None, rows: Tensor, bias: Tensor | None, ready: Tensor) -> Tensor:
        """`<row_i, x - centre> + bias_i` at the entries, with gradients for `x`, `centre`, `rows` and `bias`.

        Args:
            x: `[n, d]`.
            centre: `[d]` or None.
            rows: `[width, d]`.
            bias: `[width]` or None.
            ready: the same for all pairs `[n, width]`, computed before without gradient.
        """
        result: Tensor = _Linear.apply(x, centre, rows, bias, self.pick(ready), self)  # type: ignore[no-untyped-call]
        return result

    def bag(self, values: Tensor, rows: Tensor) -> Tensor:
        """`sum_i value_i row_i` of each token, `[n, d]`, with gradients for `values` and `rows`."""
        if self.latents is None:
            return values @ rows
        if self.latents.shape[1] == 0:
            return rows.new_zeros(self.n, rows.shape[1])
        total = functional.embedding_bag(self.latents, rows.detach(), mode="sum", per_sample_weights=values)
        if not (torch.is_grad_enabled() and rows.requires_grad):
            return total
        result: Tensor = _RowGradient.apply(total, rows, values.detach(), self)  # type: ignore[no-untyped-call]
        return result

    def transposed(self, values: Tensor, x: Tensor) -> Tensor:
        """`sum over tokens of value * x` for each latent, `[width, d]`."""
        if self.latents is None:
            return values.T @ x
        if values.numel() == 0:
            return x.new_zeros(self.width, x.shape[1])
        order, starts, tokens = self._by_latent
        return functional.embedding_bag(tokens, x, starts, mode="sum", per_sample_weights=values.reshape(-1)[order])

    def latent_sums(self, values: Tensor) -> Tensor:
        """Sum of `values` over the tokens of each latent, `[width]`."""
        if self.latents is None:
            return values.sum(0)
        empty = torch.zeros(self.width, dtype=values.dtype, device=values.device)
        return empty.index_add_(0, self.latents.reshape(-1), values.reshape(-1))

    @cached_property
    def _by_latent(self) -> tuple[Tensor, Tensor, Tensor]:
        """Slots sorted by latent, where each latent starts, and the tokens of the sorted slots."""
        if self.latents is None:
            raise ValueError("all pairs have no slots")
        flat = self.latents.reshape(-1)
        order = flat.argsort(stable=True)
        counts = torch.bincount(flat, minlength=self.width)
        return order, counts.cumsum(0) - counts, order // self.latents.shape[1]


class _Linear(torch.autograd.Function):
    """Values that are known already, with the gradients of the linear map that made them."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, centre: Tensor | None, rows: Tensor, bias: Tensor | None, known: Tensor, entries: Entries
    ) -> Tensor:
        ctx.save_for_backward(x, centre, rows)
        ctx.entries = entries
        return known.clone() if entries.latents is None else known

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
