"""GPT-NeoX (Pythia). Attention and MLP read the same residual stream and are added to it together."""

from __future__ import annotations

from saebench.lm.families import Family

GPT_NEOX = Family(blocks="gpt_neox.layers", attn_out="attention", mlp_out="mlp", mlp_down="mlp.dense_4h_to_h")
