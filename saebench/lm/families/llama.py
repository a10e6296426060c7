"""Llama (SmolLM2, stories15M), and Mistral, Qwen 2 and Qwen 3, which share its module names."""

from __future__ import annotations

from saebench.lm.families import Family

LLAMA = Family(blocks="model.layers", attn_out="self_attn", mlp_out="mlp", mlp_down="mlp.down_proj")
