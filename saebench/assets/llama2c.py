"""stories15M from the two files that llama2.c reads, laid end to end in one member: weights, then tokenizer.

Weights (llama2.c, ``export.py``, legacy layout): seven int32 (width, MLP width, layers, heads, key-value heads,
vocabulary, context), then fp32 arrays in the order of `_layout`, then two rotary tables that are not needed.
Tokenizer (``tokenizer.py``): int32 length of the longest piece, then for each piece fp32 score, int32 length, bytes;
a space stands for the sentencepiece mark. Ids are those of the Llama tokenizer: 0 unknown, 1 begin, 2 end, 3..258
single bytes (written as the character of that number).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from saebench.assets.lm_folder import Weights, halves_from_pairs, write_llama
from saebench.errors import AssetError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

HEADER = struct.Struct("<7i")
PIECE = struct.Struct("<fi")
N_BYTES = 256
FIRST_BYTE = 3
UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
MARK = "▁"


def make(members: Path, ready: Path) -> str:
    """Convert ``llama2.data`` in `members` into a Hugging Face folder at `ready`; return the hash of the weights.

    Raises:
        AssetError: the file ends too early or its tokenizer is not Llama's.
    """
    path = members / "llama2.data"
    data = path.read_bytes()
    width, mlp, layers, heads, kv_heads, vocabulary, context = HEADER.unpack_from(data)
    head = width // heads
    layout = _layout(width, mlp, layers, head * kv_heads, vocabulary)
    rotary = context * head
    end = HEADER.size + 4 * (sum(int(np.prod(shape)) for _, shape in layout) + rotary)
    if len(data) < end:
        raise AssetError(f"holds {len(data)} bytes, the header promises {end} and a tokenizer", file=path)
    weights: Weights = {}
    offset = HEADER.size
    for name, shape in layout:
        array = np.frombuffer(data, dtype="<f4", count=int(np.prod(shape)), offset=offset).reshape(shape)
        offset += array.nbytes
        weights.update(_named(name, array, heads, kv_heads))
    return write_llama(
        ready,
        weights,
        _tokenizer(data[end:], vocabulary, path),
        {"bos_token": BEGIN, "eos_token": END, "unk_token": UNKNOWN},
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=mlp,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=context,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        bos_token_id=1,
        eos_token_id=2,
    )


def _layout(width: int, mlp: int, layers: int, kv: int, vocabulary: int) -> list[tuple[str, tuple[int, ...]]]:
    """Arrays in file order: Hugging Face name and shape; a name without "model." is stacked over layers."""
    return [
        ("model.embed_tokens", (vocabulary, width)),
        ("input_layernorm", (layers, width)),
        ("self_attn.q_proj", (layers, width, width)),
        ("self_attn.k_proj", (layers, kv, width)),
        ("self_attn.v_proj", (layers, kv, width)),
        ("self_attn.o_proj", (layers, width, width)),
        ("post_attention_layernorm", (layers, width)),
        ("mlp.gate_proj", (layers, mlp, width)),
        ("mlp.down_proj", (layers, width, mlp)),
        ("mlp.up_proj", (layers, mlp, width)),
        ("model.norm", (width,)),
    ]


def _named(name: str, array: np.ndarray[tuple[int, ...], np.dtype[np.float32]], heads: int, kv_heads: int) -> Weights:
    if name.startswith("model."):
        return {f"{name}.weight": array}
    if name in {"self_attn.q_proj", "self_attn.k_proj"}:
        count = heads if name == "self_attn.q_proj" else kv_heads
        return {f"model.layers.{i}.{name}.weight": halves_from_pairs(part, count) for i, part in enumerate(array)}
    return {f"model.layers.{i}.{name}.weight": part for i, part in enumerate(array)}


def _tokenizer(data: bytes, vocabulary: int, path: Path) -> Tokenizer:
    """Byte-pair encoding with byte fallback, as sentencepiece does it: the pair with the best-scored piece merges."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

    pieces, scores = _pieces(data, vocabulary, path)
    ids = {piece: index for index, piece in enumerate(pieces)}
    if len(ids) != vocabulary:
        raise AssetError("two pieces of the tokenizer are equal", file=path)
    ranked = sorted(range(FIRST_BYTE + N_BYTES, vocabulary), key=lambda index: -scores[index])
    merges = [
        (piece[:cut], piece[cut:])
        for piece in (pieces[index] for index in ranked)
        for cut in range(1, len(piece))
        if piece[:cut] in ids and piece[cut:] in ids
    ]
    tokenizer = Tokenizer(models.BPE(ids, merges, unk_token=UNKNOWN, fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(f"{BEGIN} $A", special_tokens=[(BEGIN, 1)])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in (UNKNOWN, BEGIN, END)])
    return tokenizer


def _pieces(data: bytes, vocabulary: int, path: Path) -> tuple[list[str], list[float]]:
    pieces, scores, offset = [], [], 4
    for _ in range(vocabulary):
        score, length = PIECE.unpack_from(data, offset)
        offset += PIECE.size
        pieces.append(data[offset : offset + length].decode("utf-8").replace(" ", MARK))
        scores.append(score)
        offset += length
    special, single = [piece.strip() for piece in pieces[:FIRST_BYTE]], pieces[FIRST_BYTE : FIRST_BYTE + N_BYTES]
    if special != [UNKNOWN, BEGIN, END] or single != [chr(byte).replace(" ", MARK) for byte in range(N_BYTES)]:
        raise AssetError("the tokenizer does not begin with Llama's special tokens and bytes", file=path)
    pieces[: FIRST_BYTE + N_BYTES] = [UNKNOWN, BEGIN, END, *(f"<0x{byte:02X}>" for byte in range(N_BYTES))]
    return pieces, scores
