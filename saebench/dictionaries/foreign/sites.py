"""Other libraries' names of places in a language model, as site names."""

from __future__ import annotations

import re

HOOK = re.compile(r"blocks\.\d+\.\S+")
MODULE = re.compile(r"(?:\w+\.)*(?:layers|h|blocks)\.(\d+)(?:\.(mlp|attn|self_attn|attention))?")
LABEL = re.compile(r"(resid_pre|resid_post|mlp_out|attn_out)_?layer_?(\d+)")
OUTPUT_OF = {None: "hook_resid_post", "mlp": "hook_mlp_out"}


def site_name(name: str | None) -> str | None:
    """The site that a hook name, a module path or a label means; None when it is not known.

    `blocks.8.hook_resid_post` is one already; a module path (`model.layers.8`, `gpt_neox.layers.8.mlp`,
    `transformer.h.8.attn`) means that module's output; `resid_post_layer_8` is the habit of dictionary_learning.
    """
    if not name:
        return None
    if HOOK.fullmatch(name):
        return name
    if module := MODULE.fullmatch(name):
        layer, part = module.groups()
        return f"blocks.{layer}.{OUTPUT_OF.get(part, 'hook_attn_out')}"
    if label := LABEL.fullmatch(name):
        kind, layer = label.groups()
        return f"blocks.{layer}.hook_{kind}"
    return None


def sites(name: str | None) -> tuple[str, ...]:
    """`site_name` as a tuple of none or one."""
    site = site_name(name)
    return (site,) if site else ()
