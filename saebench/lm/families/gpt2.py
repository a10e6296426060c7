"""GPT-2."""

from __future__ import annotations

from saebench.lm.families import Family

GPT2 = Family(
    blocks="transformer.h",
    attn_out="attn",
    mlp_out="mlp",
    mlp_down="mlp.c_proj",
    mlp_width=lambda config: int(config.n_inner or 4 * config.n_embd),
)
