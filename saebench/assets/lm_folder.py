"""Write a Llama-shaped language model as a local Hugging Face folder, without building the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saebench.fingerprint import array_digest

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Weights = dict[str, NDArray[np.float32]]


def halves_from_pairs(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Reorder the rows of a query or key projection for rotary embeddings that rotate halves.

    llama.cpp and llama2.c rotate neighbouring rows (0,1), (2,3), ... of a head; Hugging Face rotates row i with row
    i + head/2. So the even rows of each head come first, then the odd ones. Shape `[heads * head, d]` stays.
    """
    rows, width = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, width).swapaxes(1, 2).reshape(rows, width)


def write_llama(folder: Path, weights: Weights, tokenizer: Tokenizer, special: dict[str, str], **config: Any) -> str:
    """Write config, weights and tokenizer; return `array_digest` of the weights.

    Args:
        folder: existing, empty.
        weights: fp32 arrays under their Hugging Face names; no output matrix, embeddings are tied.
        special: tokenizer settings such as ``bos_token``, ``eos_token``, ``chat_template``.
        config: fields of ``LlamaConfig``.
    """
    from safetensors.numpy import save_file
    from transformers import GenerationConfig, LlamaConfig, PreTrainedTokenizerFast

    weights = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in weights.items()}
    save_file(weights, str(folder / "model.safetensors"), metadata={"format": "pt"})
    settings = LlamaConfig(architectures=["LlamaForCausalLM"], dtype="float32", tie_word_embeddings=True, **config)
    settings.save_pretrained(folder)
    GenerationConfig.from_model_config(settings).save_pretrained(folder)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        clean_up_tokenization_spaces=False,
        model_max_length=settings.max_position_embeddings,
        **special,
    )
    fast.save_pretrained(folder)
    return array_digest(weights)
