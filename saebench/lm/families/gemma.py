"""Gemma 1, 2 and 3.

Gemma 2 and 3 normalise what attention and MLP return before it is added to the residual stream; the sites
`hook_attn_out` and `hook_mlp_out` are what is added, so they are the outputs of these norms.
"""

from __future__ import annotations

from dataclasses import replace

from saebench.lm.families import Family

GEMMA = Family(blocks="model.layers", attn_out="self_attn", mlp_out="mlp", mlp_down="mlp.down_proj")
GEMMA_2 = replace(GEMMA, attn_out="post_attention_layernorm", mlp_out="post_feedforward_layernorm")
GEMMA_3 = GEMMA_2
GEMMA_3_WITH_VISION = replace(GEMMA_3, blocks="model.language_model.layers")
