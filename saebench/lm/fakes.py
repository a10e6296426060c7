"""Tiny language models with random weights, made in memory: for tests, here and in users' own code."""

from __future__ import annotations

from typing import Any

import torch

from saebench.errors import UnknownName
from saebench.lm.model import LanguageModel
from saebench.registry import near_misses

ALPHABET = " etaoinshrdlcumwfgypbvkjxqz.,-'0123456789!?\":;()\n/&%$#@*+=_<>[]"
SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>")


def tiny_model(
    family: str = "llama", n_layers: int = 3, d_model: int = 16, vocab: int = 64, seed: int = 0
) -> LanguageModel:
    """A causal model with random weights, large enough to make every part of it matter, and a tokenizer of letters.

    Args:
        family: a model type that transformers and `saebench.lm.families` both know: llama, mistral, qwen2, qwen3,
            gpt2, gpt_neox, gemma, gemma2, gemma3_text.
        n_layers: number of blocks.
        d_model: width, a multiple of 4. The MLP is twice as wide.
        vocab: number of tokens, at least 8.
        seed: makes the weights; the global random state stays as it was.

    Raises:
        UnknownName: no tiny configuration for this family.
    """
    from transformers import AutoModelForCausalLM

    config = _config(family, n_layers, d_model, vocab)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hf = AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for parameter in hf.parameters():
                # Biases and norm gains start at 0 or 1, which would hide a module that is left out.
                parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return LanguageModel(hf, tiny_tokenizer(vocab), name=f"tiny {family}")


def tiny_tokenizer(vocab: int = 64) -> Any:
    """A fast tokenizer with one token a character, in lower case; ids 0 to 3 are pad, bos, eos and unknown."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = [*SPECIAL, *ALPHABET][:vocab]
    inner = Tokenizer(models.WordLevel({token: index for index, token in enumerate(known)}, unk_token="<unk>"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), behavior="isolated")
    inner.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )


def _config(family: str, n_layers: int, d_model: int, vocab: int) -> Any:
    from transformers import AutoConfig

    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    common: dict[str, Any] = {
        "vocab_size": vocab,
        "hidden_size": d_model,
        "intermediate_size": 2 * d_model,
        "num_hidden_layers": n_layers,
        "num_attention_heads": 2,
        "max_position_embeddings": 512,
        "initializer_range": 0.2,
        **ids,
    }
    grouped = {**common, "num_key_value_heads": 1, "head_dim": d_model // 2}
    windowed = {**grouped, "sliding_window": 4}
    known = {
        "llama": grouped,
        "mistral": windowed,
        "qwen2": grouped,
        "qwen3": grouped,
        "gpt2": {
            "vocab_size": vocab,
            "n_embd": d_model,
            "n_inner": 2 * d_model,
            "n_layer": n_layers,
            "n_head": 2,
            "n_positions": 512,
            "initializer_range": 0.2,
            **ids,
        },
        "gpt_neox": common,
        "gemma": grouped,
        "gemma2": {**windowed, "query_pre_attn_scalar": d_model // 2},
        "gemma3_text": {
            **windowed,
            "query_pre_attn_scalar": d_model // 2,
            "layer_types": ["sliding_attention" if layer % 2 == 0 else "full_attention" for layer in range(n_layers)],
        },
    }
    if family not in known:
        raise UnknownName("tiny model", family, near_misses(family, known), list(known))
    return AutoConfig.for_model(family, **known[family])
