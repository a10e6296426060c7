"""Places in a language model, by the field's usual names."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from saebench.errors import UnknownName
from saebench.registry import near_misses


class Kind(IntEnum):
    """The sites of one block, in the order in which a forward pass meets them."""

    RESID_PRE = 0
    ATTN_OUT = 1
    MLP_POST = 2
    MLP_OUT = 3
    RESID_POST = 4

    @property
    def hook(self) -> str:
        """The name inside its block ("hook_resid_pre", "mlp.hook_post")."""
        return _HOOKS[self]


_HOOKS = {
    Kind.RESID_PRE: "hook_resid_pre",
    Kind.ATTN_OUT: "hook_attn_out",
    Kind.MLP_POST: "mlp.hook_post",
    Kind.MLP_OUT: "hook_mlp_out",
    Kind.RESID_POST: "hook_resid_post",
}


@dataclass(frozen=True)
class Site:
    """One place.

    Attributes:
        name: `blocks.{layer}.{hook}`.
        layer: index of the block, from 0.
        kind: which place of the block.
        width: number of activations a token.
    """

    name: str
    layer: int
    kind: Kind
    width: int

    @property
    def depth(self) -> tuple[int, Kind]:
        """Sorts sites by when a forward pass meets them."""
        return self.layer, self.kind

    @property
    def is_residual(self) -> bool:
        """Whether everything above depends on this site alone."""
        return self.kind in (Kind.RESID_PRE, Kind.RESID_POST)


def site_table(n_layers: int, d_model: int, mlp_width: int) -> dict[str, Site]:
    """All sites of a model by name, in the order in which a forward pass meets them."""
    sites = (
        Site(f"blocks.{layer}.{kind.hook}", layer, kind, mlp_width if kind is Kind.MLP_POST else d_model)
        for layer in range(n_layers)
        for kind in Kind
    )
    return {site.name: site for site in sites}


def find_site(table: dict[str, Site], name: str) -> Site:
    """The site called `name`.

    Raises:
        UnknownName: with near misses, or with the patterns of the names where nothing is near.
    """
    if name not in table:
        layers = f"{{0..{max(site.layer for site in table.values())}}}"
        patterns = [f"blocks.{layers}.{kind.hook}" for kind in Kind]
        raise UnknownName("site", name, near_misses(name, table), patterns)
    return table[name]
