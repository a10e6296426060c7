"""Continuing a text, with whatever is spliced in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from saebench.lm.model import LanguageModel


def generate(
    lm: LanguageModel,
    tokens: Tensor,
    max_new_tokens: int,
    *,
    attention_mask: Tensor | None = None,
    do_sample: bool = False,
    seed: int = 0,
    use_cache: bool = True,
) -> Tensor:
    """Continue each row of `tokens`: with the likeliest token at each step, or with one drawn at temperature 1.

    Settings of the model's own generation file (temperature, penalties, suppressed tokens, ...) are not used, only
    its token ids. Drawing leaves the global random state of CPU and CUDA as it was.

    With a key-value cache a spliced function sees the positions of the prompt in one call and then one new position
    in each step; without, the whole row in each step. For a function of each position alone the two agree.

    Args:
        lm: the model.
        tokens: int64 `[b, T]`. Rows of different length are padded on the left.
        max_new_tokens: how many tokens to add at most.
        attention_mask: `[b, T]`, 0 at padding; all ones where not given.
        do_sample: draw from the model's whole distribution.
        seed: of the draws.
        use_cache: keep keys and values between steps.

    Returns:
        int64 `[b, T + n]` with the prompt first. n is below `max_new_tokens` when every row has reached an
        end-of-text token; a row that ends earlier than others is filled up with padding.
    """
    from transformers import GenerationConfig

    own = lm.hf.generation_config
    whole_distribution = {"temperature": 1.0, "top_k": 0, "top_p": 1.0} if do_sample else {}
    settings = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=do_sample,
        use_cache=use_cache,
        eos_token_id=end_ids(lm) or None,
        pad_token_id=padding_id(lm),
        bos_token_id=lm.bos_id,
        **whole_distribution,
    )
    tokens = tokens.to(lm.device)
    mask = torch.ones_like(tokens) if attention_mask is None else attention_mask.to(lm.device)
    devices = [lm.device] if lm.device.type == "cuda" else []
    lm.hf.generation_config = settings
    try:
        with torch.random.fork_rng(devices=devices, enabled=do_sample):
            if do_sample:
                torch.manual_seed(seed)
            out: Tensor = lm.hf.generate(tokens, attention_mask=mask)
    finally:
        lm.hf.generation_config = own
    return out


def end_ids(lm: LanguageModel) -> list[int]:
    """The tokens that end a text, as the model's generation file says, else its tokenizer; none where neither does."""
    own = lm.hf.generation_config.eos_token_id
    ends = lm.tokenizer.eos_token_id if own is None else own
    return [] if ends is None else list(ends) if isinstance(ends, list | tuple) else [int(ends)]


def padding_id(lm: LanguageModel) -> int:
    """The token that fills a row: the tokenizer's, else the generation file's, else the begin-of-text token."""
    candidates = (lm.tokenizer.pad_token_id, lm.hf.generation_config.pad_token_id, lm.bos_id)
    return int(next(one for one in candidates if one is not None))
