"""What is done to a running model: a tap at a site, and blocks that are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from saebench.lm.families import Family
from saebench.lm.sites import Kind, Site

Tap = Callable[[Tensor], Tensor | None]


def tap(blocks: nn.ModuleList, family: Family, site: Site, fn: Tap) -> RemovableHandle:
    """Call `fn` with the activations of `site` in every forward pass; what it returns, if anything, replaces them."""
    block = blocks[site.layer]
    match site.kind:
        case Kind.RESID_PRE:
            return block.register_forward_pre_hook(_on_input(fn))
        case Kind.RESID_POST:
            return block.register_forward_hook(_on_output(fn))
        case Kind.MLP_POST:
            return block.get_submodule(family.mlp_down).register_forward_pre_hook(_on_input(fn))
        case Kind.MLP_OUT:
            return block.get_submodule(family.mlp_out).register_forward_hook(_on_output(fn))
        case Kind.ATTN_OUT:
            return block.get_submodule(family.attn_out).register_forward_hook(_on_output(fn))


def _on_input(fn: Tap) -> Callable[[nn.Module, Any], Any]:
    def hook(module: nn.Module, args: Any) -> Any:
        replaced = fn(args[0])
        return None if replaced is None else (replaced, *args[1:])

    return hook


def _on_output(fn: Tap) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        if not isinstance(output, tuple):
            return fn(output)
        replaced = fn(output[0])
        return None if replaced is None else (replaced, *output[1:])

    return hook


class PassThrough(nn.Module):
    """Stands in for a block and returns its input. Other attributes are those of the block.

    A model may read attributes of its blocks (the attention type of a layer), so these stay visible.
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.__dict__["block"] = block

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["block"], name)

    def forward(self, hidden: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The residual stream, unchanged."""
        return hidden


@contextmanager
def skipped(blocks: nn.ModuleList, stop: int) -> Iterator[None]:
    """Inside, the first `stop` blocks do nothing. The list keeps its length, so that layer indices stay aligned."""
    kept = list(blocks[:stop])
    for layer, block in enumerate(kept):
        blocks[layer] = PassThrough(block)
    try:
        yield
    finally:
        for layer, block in enumerate(kept):
            blocks[layer] = block
